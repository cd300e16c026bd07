"""Launchers: the command line and the environment that each starts workers with."""

import os

import pytest

from bigearth.cluster import launchers, profiles
from bigearth.cluster.allocation import Allocation
from bigearth.cluster.profiles import Profile
from bigearth.errors import InputError

HERE = Allocation(None, tasks=2)  # no Slurm job


@pytest.mark.parametrize(("workers", "nodes"), [(1, 1), (4, 1), (5, 2), (15, 4), (16, None)])
def test_fewer_workers_than_the_allocation_fill_node_by_node(monkeypatch, workers, nodes):
    monkeypatch.setattr(launchers.shutil, "which", lambda name, **_: name)
    command = launchers.build_command("srun", workers, Profile(mpi="pspmix"), Allocation("7", tasks=16, nodes=4))
    assert command[:2] == ["srun", "--mpi=pspmix"]
    found = None
    if "--nodes" in command:
        found = int(command[command.index("--nodes") + 1])
    assert found == nodes


def test_one_worker_is_started_without_mpi():
    assert launchers.build_command("mpi", 1, Profile(), HERE) == []


def test_a_program_that_is_not_here_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="launcher 'mpi': mpiexec was not found; .*doctor"):
        launchers.build_command("mpi", 2, Profile(), HERE)


def test_an_mpiexec_of_another_mpi_is_refused_before_it_starts(stand_in):
    stand_in("mpiexec", "echo HYDRA build details: Version: 4.0.2")
    with pytest.raises(InputError, match="PATH leads to the mpiexec of MPICH"):
        launchers.build_command("mpi", 2, Profile(), HERE)


def test_an_allocation_of_unknown_size_is_srun_s_own_matter(monkeypatch):
    monkeypatch.setattr(launchers.shutil, "which", lambda name, **_: name)
    assert "--nodes" not in launchers.build_command("srun", 3, Profile(), Allocation("7", tasks=None, nodes=2))


def test_workers_share_the_cores_and_get_the_sites_variables(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PYTHONPATH", "/mine")
    environment = launchers.build_environment("mpi", 1000, profiles.load("juwels"))
    assert environment["OMP_NUM_THREADS"] == "1" and environment["NCCL_SOCKET_IFNAME"] == "ib0"
    assert environment["PYTHONPATH"].endswith(f"{os.pathsep}/mine")
