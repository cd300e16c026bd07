"""The address at which workers on other nodes reach this process."""

import os
import re
import socket
import subprocess

import psutil

from bigearth.errors import InputError

UNUSED_ADDRESS = ("192.0.2.1", 9)  # reserved for documentation (RFC 5737): nobody is asked


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
        The interface has no IPv4 address here.
    """
    if interface and not interface.startswith("^"):
        return _find_address_of(interface)
    node = os.environ.get("SLURMD_NODENAME")
    if node:
        shown = subprocess.run(["scontrol", "show", "node", "-o", node], capture_output=True, text=True).stdout
        known = re.search(r"NodeAddr=(\S+)", shown)
        return socket.gethostbyname(known[1] if known else node)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(UNUSED_ADDRESS)  # sends nothing: asks which address packets would leave from
        return probe.getsockname()[0]


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
