"""The address at which workers on other nodes reach this process."""

import os
import re
import shutil
import socket
import subprocess

import psutil

from bigearth.errors import InputError

ASK_SECONDS = 60  # that scontrol and sinfo may take to answer
UNUSED_ADDRESS = ("192.0.2.1", 9)  # reserved for documentation (RFC 5737): no packet is sent


def find_address(interface: str | None) -> str:
    """Return the IPv4 address at which other nodes reach this one.

    Parameters
    ----------
    interface : str or None
        Of a site's profile or NCCL_SOCKET_IFNAME, as NCCL reads it: several names, by their beginnings, or in full
        after "="; after "^" those that are not to be used. None: on a node the address that Slurm knows; elsewhere
        the one that packets to the cluster's nodes leave from, since a login node has other networks, too.

    Raises
    ------
    InputError
        The interface has no IPv4 address here, or no address can be found without one.
    """
    if interface and not interface.startswith("^"):
        return _find_address_of(interface)
    node = os.environ.get("SLURMD_NODENAME")
    if node:
        return _find_address_of_node(node)
    destination = _find_a_node() or UNUSED_ADDRESS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(destination)  # sends nothing: asks which address packets would leave from
        except OSError as error:
            raise InputError(
                f"no network leads from this machine ({error.strerror}): name one, interface in the site's profile"
            ) from None
        return probe.getsockname()[0]


def _find_a_node() -> tuple[str, int] | None:
    """Return the address of one of the cluster's nodes, with a port that is not used; None where Slurm names none."""
    addresses = _ask_slurm(["sinfo", "--noheader", "--Node", "--format=%o"]).split()
    if not addresses:
        return None
    try:
        return socket.gethostbyname(addresses[0]), UNUSED_ADDRESS[1]
    except OSError:
        return None


def _ask_slurm(command: list[str]) -> str:
    """Return what a command of Slurm prints; nothing where it is not here or does not answer."""
    if not shutil.which(command[0]):
        return ""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _find_address_of_node(node: str) -> str:
    """Return the address that Slurm knows of a node, or that its name resolves to."""
    name = node
    known = re.search(r"NodeAddr=(\S+)", _ask_slurm(["scontrol", "show", "node", "-o", node]))
    if known:
        name = known[1]
    try:
        return socket.gethostbyname(name)
    except OSError:
        raise InputError(
            f"the name of this node, {name} (SLURMD_NODENAME is {node}), does not resolve: name the network that all "
            "nodes share, interface in the site's profile"
        ) from None


def _find_address_of(interface: str) -> str:
    names = interface.removeprefix("=").split(",")
    for candidate, addresses in psutil.net_if_addrs().items():
        if interface.startswith("="):
            wanted = candidate in names
        else:
            wanted = candidate.startswith(tuple(names))
        if not wanted:
            continue
        for address in addresses:
            if address.family == socket.AF_INET:
                return address.address
    raise InputError(
        f"network interface {interface} has no IPv4 address on this node: interface in the site's profile, "
        "or NCCL_SOCKET_IFNAME"
    )
