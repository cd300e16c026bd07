"""The allocation: how many workers it gives, and what cannot start is refused before anything does."""

import os

import pytest

from bigearth.cluster import engines
from bigearth.errors import InputError


@pytest.mark.parametrize(
    ("number", "launcher", "tasks", "message"),
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
def test_what_cannot_start_is_refused_at_once(monkeypatch, number, launcher, tasks, message):
    for name in list(os.environ):
        if name.startswith("SLURM_"):
            monkeypatch.delenv(name)
    if tasks:
        monkeypatch.setenv("SLURM_JOB_ID", "1")
        monkeypatch.setenv("SLURM_NTASKS", str(tasks))
    with pytest.raises(InputError, match=message):
        engines.start(number, launcher)


def test_horovodrun_does_not_leave_its_node(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    with pytest.raises(InputError, match='choose "srun"'):
        engines.count_workers(2, "horovodrun")


def test_all_of_the_allocation_or_of_the_cores(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert engines.count_workers(None, "mpi") == len(os.sched_getaffinity(0))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert engines.count_workers(None, "srun") == engines.count_workers(4, "srun", False) * 2 == 8
