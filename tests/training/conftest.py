"""What the tests of a team and of its exchange share."""

import pytest

LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "HOROVOD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "PMIX_RANK", "PMI_RANK")
SETTINGS = (
    "HOROVOD_STALL_CHECK_TIME_SECONDS",
    "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS",
    "HOROVOD_CYCLE_TIME",
    "OMPI_MCA_mpi_yield_when_idle",
)


@pytest.fixture
def bare_environment(monkeypatch):
    """An environment in which no launcher started this process, and nothing is set of Horovod and MPI."""
    for name in LAUNCHERS + SETTINGS:
        monkeypatch.setenv(name, "")  # so that what a test sets is taken back
        monkeypatch.delenv(name)
