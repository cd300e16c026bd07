"""The allocation: how many workers it gives, and what cannot start is refused before anything does."""

import os

import pytest

from bigearth import machine
from bigearth.cluster import engines
from bigearth.cluster.allocation import count_workers, read_allocation
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
def test_what_cannot_start_is_refused_at_once(no_slurm, allocation, number, launcher, tasks, message):
    if tasks:
        allocation(SLURM_NTASKS=tasks)
    with pytest.raises(InputError, match=message):
        engines.start(number, launcher)


def test_horovodrun_does_not_leave_its_node(allocation):
    allocation(SLURM_JOB_NUM_NODES=2)
    with pytest.raises(InputError, match='choose "srun"'):
        count_workers(2, "horovodrun")


def test_all_of_the_allocation_or_of_the_cores(no_slurm, allocation, monkeypatch):
    assert count_workers(None, "mpi") == len(os.sched_getaffinity(0))
    monkeypatch.setattr(machine, "read_cpu_quota", lambda: 1.5)  # of 64 cores, a container may use one and a half
    assert count_workers(None, "mpi") == 1
    allocation(SLURM_NTASKS=8)
    assert count_workers(None, "srun") == count_workers(4, "srun", False) * 2 == 8


def test_a_shell_on_a_login_node_reaches_its_workers_by_the_network(allocation):
    allocation(SLURM_NTASKS=2)
    assert read_allocation().needs_network()
    allocation(SLURM_NTASKS=2, SLURMD_NODENAME="n1")
    assert not read_allocation().needs_network()
    allocation(SLURM_JOB_NUM_NODES=2)
    assert read_allocation().needs_network()


# ---- variables that mislead ----


@pytest.mark.parametrize("launcher", ["mpi", "srun", "horovodrun"])
def test_an_allocation_that_does_not_tell_its_tasks(allocation, launcher):
    """sbatch without --ntasks: one worker would be started, without a word."""
    allocation()
    with pytest.raises(InputError, match="^SLURM_NTASKS is not set, so job 7 .*: give workers a number"):
        count_workers(None, launcher)
    assert count_workers(3, launcher) == 3


def test_tasks_per_node_tell_the_number_of_tasks(allocation):
    allocation(SLURM_NTASKS_PER_NODE=4, SLURM_JOB_NUM_NODES=2)
    assert count_workers(None, "srun") == 8


@pytest.mark.parametrize("text", ["four", "0", "-4", "4.5", "²"])
def test_numbers_that_are_none(allocation, text):
    allocation(SLURM_NTASKS=text)
    with pytest.raises(InputError, match=f"^SLURM_NTASKS is '{text}', not a number"):
        count_workers(None, "mpi")


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("answer", ["exit 0", "echo COMPLETED", "echo 'Invalid job id specified' >&2; exit 1"])
def test_a_job_that_is_over(allocation, stand_in, workers, answer):
    """A shell that was opened inside a job outlives it, with its variables."""
    allocation(SLURM_NTASKS=64)
    stand_in("squeue", answer)
    with pytest.raises(InputError, match="^SLURM_JOB_ID is 7, a job that is over: .*unset SLURM_"):
        engines.start(workers, "mpi")


def test_a_scheduler_that_does_not_answer_is_no_reason_to_stop(allocation, stand_in):
    allocation(SLURM_NTASKS=2)
    stand_in("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert count_workers(None, "mpi") == 2


def test_without_squeue_nobody_knows_whether_the_job_runs(no_slurm, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_NTASKS", "64")
    with pytest.raises(InputError, match="^SLURM_JOB_ID is 7, but squeue is not here"):
        count_workers(None, "mpi")
    assert count_workers(2, "mpi") == 2
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1000000000")
    with pytest.raises(InputError, match="a job that is over"):
        count_workers(2, "mpi")
