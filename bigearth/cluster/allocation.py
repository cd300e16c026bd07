"""The Slurm allocation of this process, and how many workers would be started in it."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass

from bigearth import machine
from bigearth.errors import InputError

LAUNCHERS = ("mpi", "srun", "slurm", "horovodrun")
# of a job that holds its nodes, as squeue names them
RUNNING_STATES = ("RUNNING", "COMPLETING", "CONFIGURING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED")
ASK_SECONDS = 60  # that squeue may take to answer


@dataclass(frozen=True)
class Allocation:
    """A Slurm job that this process belongs to; outside one, this machine.

    Attributes
    ----------
    job : str or None
        Its id; None outside a job.
    tasks : int or None
        Workers that it is for: those of the job, or one per core; None where the job does not tell.
    nodes : int
    on_node : bool
        Whether this process runs on a node of the job, not in a shell on a login node (salloc).
    doubt : str
        Why ``tasks`` is None.
    """

    job: str | None
    tasks: int | None
    nodes: int = 1
    on_node: bool = True
    doubt: str = ""

    def needs_network(self) -> bool:
        """Whether workers of this allocation may be on another machine than this process."""
        return self.nodes > 1 or not self.on_node


def read_allocation() -> Allocation:
    """Read the allocation from Slurm's environment variables, and ask Slurm whether it still runs.

    Raises
    ------
    InputError
        The job of these variables is over, or they hold no numbers.
    """
    job = os.environ.get("SLURM_JOB_ID") or os.environ.get("SLURM_JOBID")
    if not job:
        return Allocation(None, machine.count_cores())
    nodes = _read_number("SLURM_JOB_NUM_NODES") or _read_number("SLURM_NNODES") or 1
    tasks = _read_number("SLURM_NTASKS")
    per_node = _read_number("SLURM_NTASKS_PER_NODE")
    doubt = ""
    if tasks is None and per_node is not None:
        tasks = nodes * per_node
    if tasks is None:
        doubt = f"SLURM_NTASKS is not set, so job {job} does not tell its number of tasks"
    if not _is_confirmed_running(job):
        tasks = None
        doubt = f"SLURM_JOB_ID is {job}, but squeue is not here to tell whether that job still runs"
    return Allocation(job, tasks, nodes, "SLURMD_NODENAME" in os.environ, doubt)


def _read_number(name: str) -> int | None:
    text = os.environ.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InputError(f"{name} is {text!r}, not a number: unset it, or start this again inside the Slurm job")
    return int(text)


def _is_confirmed_running(job: str) -> bool:
    """Whether Slurm says that a job runs; False where it cannot be asked. Raises InputError where the job is over."""
    over = f"SLURM_JOB_ID is {job}, a job that is over: start this again in a new shell or a new job, or unset SLURM_*"
    if not shutil.which("squeue"):
        end = os.environ.get("SLURM_JOB_END_TIME", "")
        if end.isascii() and end.isdigit() and int(end) < time.time():
            raise InputError(over)
        return False
    command = ["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return True  # a scheduler that is busy says nothing about the job
    if answer.returncode:
        if "Invalid job id" in answer.stderr:
            raise InputError(over)
        return True
    if not set(answer.stdout.split()) & set(RUNNING_STATES):
        raise InputError(over)
    return True


def count_workers(workers: int | None = None, launcher: str = "mpi", exact: bool = True) -> int:
    """Return the number of workers that `engines.start` would start with these parameters, or raise its InputError."""
    kind = launcher.partition(":")[0]
    return decide_size(workers, kind, exact, read_allocation())


def decide_size(workers: int | None, kind: str, exact: bool, allocation: Allocation) -> int:
    """Return the number of workers to start.

    Parameters
    ----------
    workers : int or None
        As asked for; None: all of the allocation, or one per core where there is none.
    kind : str
        One of LAUNCHERS.
    exact : bool
        Whether fewer workers than the allocation has are an error.
    allocation : Allocation

    Raises
    ------
    InputError
        The launcher is unknown or cannot work here, or ``workers`` does not fit the allocation.
    """
    _check_launcher(kind, allocation)
    if workers is None:
        if kind == "slurm":
            raise InputError('launcher "slurm" needs a number of workers: they decide how large a job it asks for')
        if allocation.tasks is None:
            raise InputError(f"{allocation.doubt}: give workers a number, or ask for --ntasks")
        workers = allocation.tasks
    if workers < 1:
        raise InputError(f"workers is {workers}; at least 1 is needed")
    if kind == "srun" and allocation.tasks is not None:
        too_many = workers > allocation.tasks
        too_few = workers < allocation.tasks and exact
        if too_many or too_few:
            raise InputError(
                f"workers is {workers} but the allocation has {allocation.tasks} tasks; give null to use all of them"
            )
    return workers


def _check_launcher(kind: str, allocation: Allocation) -> None:
    """Raise InputError where a launcher is unknown or cannot work here."""
    if kind not in LAUNCHERS:
        raise InputError(f"launcher is {kind!r}; choose one of {', '.join(LAUNCHERS)}")
    if kind == "srun" and not allocation.job:
        raise InputError('launcher "srun" needs a Slurm allocation; choose "mpi" here, or "slurm" for a job of its own')
    if kind == "slurm" and allocation.job:
        raise InputError('launcher "slurm" inside an allocation would wait for ever for a second one; choose "srun"')
    if kind == "horovodrun" and allocation.nodes > 1:
        raise InputError('launcher "horovodrun" works on one node, not on several; choose "srun"')
