"""Launchers: what cannot start is refused before anything does."""

import os

import pytest

from bigearth.cluster import engines, failures, launchers
from bigearth.errors import InputError


@pytest.mark.parametrize(
    ("number", "launcher", "allocation", "message"),
    [
        (2, "ssh", None, "choose one of mpi, srun, slurm, horovodrun"),
        (0, "mpi", None, "workers is 0"),
        (2, "srun", None, "needs a Slurm allocation"),
        (2, "srun", 4, "workers is 2 but the allocation has 4 tasks"),
        (2, "slurm:mini", 4, "would wait for ever"),
        (None, "slurm:mini", None, "needs a number of workers"),
        (3, "slurm:mini", None, "not a multiple"),
        (2, "slurm:atlantis", None, "site 'atlantis' is unknown; slurm/sites has generic, juwels, mini"),
    ],
)
def test_what_cannot_start_is_refused_at_once(monkeypatch, number, launcher, allocation, message):
    for name in list(os.environ):
        if name.startswith("SLURM_"):
            monkeypatch.delenv(name)
    if allocation:
        monkeypatch.setenv("SLURM_JOB_ID", "1")
        monkeypatch.setenv("SLURM_NTASKS", str(allocation))
    with pytest.raises(InputError, match=message):
        engines.start(number, launcher)


def test_horovodrun_does_not_leave_its_node(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    with pytest.raises(InputError, match='choose "srun"'):
        launchers.count(2, "horovodrun")


@pytest.mark.parametrize(("workers", "nodes"), [(1, 1), (4, 1), (5, 2), (15, 4), (16, None)])
def test_fewer_workers_than_the_allocation_fill_node_by_node(monkeypatch, workers, nodes):
    monkeypatch.setenv("SLURM_NTASKS", "16")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "4")
    monkeypatch.setattr(launchers.shutil, "which", lambda name, **_: name)
    words = launchers.command("srun", workers, {})
    assert (words[words.index("--nodes") + 1] if "--nodes" in words else None) == (nodes and str(nodes))


@pytest.mark.parametrize("names", ["lo", "=lo", "nothing,lo", "l"])
def test_nccls_interfaces_are_understood(monkeypatch, names):
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", names)
    assert launchers.address({}) == "127.0.0.1"


def test_interfaces_that_are_not_here(monkeypatch):
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "nothing0")
    with pytest.raises(InputError, match="nothing0 has no IPv4 address"):
        launchers.address({})
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "^nothing0")  # all but this one: Slurm's own address
    monkeypatch.setenv("SLURMD_NODENAME", "localhost")
    monkeypatch.setattr(
        launchers.subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": "NodeAddr=127.0.0.9"})
    )
    assert launchers.address({}) == "127.0.0.9"


@pytest.mark.parametrize(
    ("log", "rank"),
    [
        ("srun: error: n2: task 37: Killed\nsrun: error: n1: tasks 0-35: Terminated", "37"),
        ("srun: error: n1: task 3: Exited with exit code 1\nsrun: error: n2: task 37: Out Of Memory", "37"),
        ("mpiexec noticed that process rank 5 with PID 0 on node x exited on signal 9 (Killed).", "5"),
        ("Process name: 2\nExit code: 137", "2"),
        ("words", None),
    ],
)
def test_the_rank_that_was_killed(log, rank):
    assert failures.dead_rank(log) == rank


def test_all_of_the_allocation_or_of_the_cores(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert launchers.count(None, "mpi") == len(os.sched_getaffinity(0))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert launchers.count(None, "srun") == launchers.count(4, "srun", False) * 2 == 8
