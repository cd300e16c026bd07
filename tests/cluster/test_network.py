"""The address of this process: a site's interface, NCCL's, or the one that Slurm knows."""

import pytest

from bigearth.cluster import network
from bigearth.errors import InputError


@pytest.mark.parametrize("names", ["lo", "=lo", "nothing,lo", "l"])
def test_nccls_interfaces_are_understood(names):
    assert network.find_address(names) == "127.0.0.1"


def test_an_interface_that_is_not_here():
    with pytest.raises(InputError, match="nothing0 has no IPv4 address"):
        network.find_address("nothing0")


@pytest.mark.parametrize("interface", [None, "^nothing0"])  # NCCL: all but this one
def test_the_address_that_slurm_knows(no_slurm, stand_in, monkeypatch, interface):
    stand_in("scontrol", "echo NodeName=n1 NodeAddr=127.0.0.9 Port=1")
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    assert network.find_address(interface) == "127.0.0.9"


@pytest.mark.parametrize("answer, wanted", [("echo 127.0.0.9; echo 10.1.1.1", "127.0.0.9"), ("exit 1", "192.0.2.1")])
def test_a_login_node_takes_its_network_to_the_nodes(no_slurm, stand_in, monkeypatch, answer, wanted):
    """Another network, such as the internet's, may be its default route."""
    asked = []
    connect = network.socket.socket.connect
    monkeypatch.setattr(
        network.socket.socket, "connect", lambda probe, to: asked.append(to[0]) or connect(probe, ("127.0.0.1", 9))
    )
    stand_in("sinfo", answer)
    assert network.find_address(None) == "127.0.0.1" and asked == [wanted]


def test_a_node_whose_name_does_not_resolve(no_slurm, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")  # no scontrol
    monkeypatch.setenv("SLURMD_NODENAME", "localhost")
    assert network.find_address(None) == "127.0.0.1"
    monkeypatch.setenv("SLURMD_NODENAME", "n1.invalid")
    with pytest.raises(InputError, match="SLURMD_NODENAME is n1.invalid.*does not resolve: .*interface"):
        network.find_address(None)


def test_a_machine_without_network(no_slurm, monkeypatch):
    def unreachable(*_):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(network.socket.socket, "connect", unreachable)
    with pytest.raises(InputError, match="no network leads from this machine .Network is unreachable.: .*interface"):
        network.find_address(None)
