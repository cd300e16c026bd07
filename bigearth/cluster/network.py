"""The address at which workers on other nodes reach this process."""

import os
import re
import shutil
import socket
import subprocess

import psutil

from bigearth.errors import InputError

ASK_SECONDS = 60  # that scontrol may take to answer
UNUSED_ADDRESS = ("192.0.2.1", 9)  # reserved for documentation (RFC 5737): no packet is sent


def find_address(interface: str | None) -> str:
    """Return the IPv4 address at which other nodes reach this one.

    Parameters
    ----------
    interface : str or None
        Of a site's profile or NCCL_SOCKET_IFNAME, as NCCL reads it: several names, by their beginnings, or in full
        after "="; after "^" those that are not to be used. None: the address that Slurm knows, or that packets would
        leave from.

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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(UNUSED_ADDRESS)  # sends nothing: asks which address packets would leave from
        except OSError as error:
            raise InputError(
                f"no network leads from this machine ({error.strerror}): name one, interface in the site's profile"
            ) from None
        return probe.getsockname()[0]


def _find_address_of_node(node: str) -> str:
    """Return the address that Slurm knows of a node, or that its name resolves to."""
    name = node
    if shutil.which("scontrol"):
        command = ["scontrol", "show", "node", "-o", node]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS).stdout
        known = re.search(r"NodeAddr=(\S+)", shown)
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
