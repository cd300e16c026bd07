"""Launchers: the command line and the environment that each starts workers with."""

import os

import pytest

from bigearth.cluster import launchers, profiles
from bigearth.cluster.allocation import Allocation
from bigearth.errors import InputError


@pytest.mark.parametrize(("workers", "nodes"), [(1, 1), (4, 1), (5, 2), (15, 4), (16, None)])
def test_fewer_workers_than_the_allocation_fill_node_by_node(monkeypatch, workers, nodes):
    monkeypatch.setattr(launchers.shutil, "which", lambda name, **_: name)
    command = launchers.build_command("srun", workers, None, Allocation(tasks=16, nodes=4, on_node=True))
    found = None
    if "--nodes" in command:
        found = int(command[command.index("--nodes") + 1])
    assert found == nodes


def test_one_worker_is_started_without_mpi():
    assert launchers.build_command("mpi", 1, None, None) == []


def test_a_program_that_is_not_here_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="launcher 'mpi': mpiexec was not found; .*doctor"):
        launchers.build_command("mpi", 2, None, None)


def test_workers_share_the_cores_and_get_the_sites_variables(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PYTHONPATH", "/mine")
    environment = launchers.build_environment("mpi", 1000, profiles.load("juwels"))
    assert environment["OMP_NUM_THREADS"] == "1" and environment["NCCL_SOCKET_IFNAME"] == "ib0"
    assert environment["PYTHONPATH"].endswith(f"{os.pathsep}/mine")
