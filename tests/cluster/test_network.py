"""The address of this process: a site's interface, NCCL's, or the one that Slurm knows."""

from types import SimpleNamespace

import pytest

from bigearth.cluster import network
from bigearth.errors import InputError


@pytest.mark.parametrize("names", ["lo", "=lo", "nothing,lo", "l"])
def test_nccls_interfaces_are_understood(names):
    assert network.find_address(names) == "127.0.0.1"


def test_interfaces_that_are_not_here(monkeypatch):
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    with pytest.raises(InputError, match="nothing0 has no IPv4 address"):
        network.find_address("nothing0")
    monkeypatch.setenv("SLURMD_NODENAME", "localhost")
    monkeypatch.setattr(network.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="NodeAddr=127.0.0.9"))
    # all but this one: the address that Slurm knows
    assert network.find_address("^nothing0") == "127.0.0.9"
