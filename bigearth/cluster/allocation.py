"""The Slurm allocation of this process, and how many workers would be started in it."""

import os
from dataclasses import dataclass

from bigearth.errors import InputError

LAUNCHERS = ("mpi", "srun", "slurm", "horovodrun")


@dataclass(frozen=True)
class Allocation:
    """A Slurm job that this process belongs to.

    Attributes
    ----------
    tasks, nodes : int
    on_node : bool
        Whether this process runs on a node of the job, not in a shell on a login node (salloc).
    """

    tasks: int
    nodes: int
    on_node: bool

    def needs_network(self) -> bool:
        """Whether workers of this allocation may be on another machine than this process."""
        return self.nodes > 1 or not self.on_node


def read_allocation() -> Allocation | None:
    """Read the allocation from Slurm's environment variables; None outside a job."""
    if "SLURM_JOB_ID" not in os.environ:
        return None
    tasks = int(os.environ.get("SLURM_NTASKS", 1))
    nodes = int(os.environ.get("SLURM_JOB_NUM_NODES", 1))
    return Allocation(tasks, nodes, on_node="SLURMD_NODENAME" in os.environ)


def count_workers(workers: int | None = None, launcher: str = "mpi", exact: bool = True) -> int:
    """Return the number of workers that `engines.start` would start with these parameters, or raise its InputError."""
    kind = launcher.partition(":")[0]
    return decide_size(workers, kind, exact, read_allocation())


def decide_size(workers: int | None, kind: str, exact: bool, allocation: Allocation | None) -> int:
    """Return the number of workers to start.

    Parameters
    ----------
    workers : int or None
        As asked for; None: all of the allocation, or one per core where there is none.
    kind : str
        One of LAUNCHERS.
    exact : bool
        Whether fewer workers than the allocation has are an error.
    allocation : Allocation or None

    Raises
    ------
    InputError
        The launcher is unknown or cannot work here, or ``workers`` does not fit the allocation.
    """
    _check_launcher(kind, allocation)
    if workers is None:
        if kind == "slurm":
            raise InputError('launcher "slurm" needs a number of workers: they decide how large a job it asks for')
        workers = allocation.tasks if allocation else len(os.sched_getaffinity(0))
    if workers < 1:
        raise InputError(f"workers is {workers}; at least 1 is needed")
    if kind == "srun":
        too_many = workers > allocation.tasks
        too_few = workers < allocation.tasks and exact
        if too_many or too_few:
            raise InputError(
                f"workers is {workers} but the allocation has {allocation.tasks} tasks; give null to use all of them"
            )
    return workers


def _check_launcher(kind: str, allocation: Allocation | None) -> None:
    """Raise InputError where a launcher is unknown or cannot work here."""
    if kind not in LAUNCHERS:
        raise InputError(f"launcher is {kind!r}; choose one of {', '.join(LAUNCHERS)}")
    if kind == "srun" and not allocation:
        raise InputError('launcher "srun" needs a Slurm allocation; choose "mpi" here, or "slurm" for a job of its own')
    if kind == "slurm" and allocation:
        raise InputError('launcher "slurm" inside an allocation would wait for ever for a second one; choose "srun"')
    if kind == "horovodrun" and allocation and allocation.nodes > 1:
        raise InputError('launcher "horovodrun" works on one node, not on several; choose "srun"')
