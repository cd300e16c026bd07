"""MPI ranks: the communicator of this process's job, and calls that fail on all ranks or on none."""

import os
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from bigearth.errors import InputError

Result = TypeVar("Result")
# mpi4py's communicator; None where there is one process without MPI.
Communicator = Any

_STARTED_BY_MPI = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")


def communicator() -> Communicator:
    """Return MPI's communicator of this process's job, or None where MPI did not start the process.

    Raises
    ------
    InputError
        horovodrun started the process: its workers (Gloo) have no MPI.
    """
    if not any(name in os.environ for name in _STARTED_BY_MPI):
        if "HOROVOD_RANK" in os.environ:
            raise InputError("launcher horovodrun starts workers without MPI: this needs mpi, srun or slurm")
        return None
    from mpi4py import MPI

    return MPI.COMM_WORLD


def rank_and_size(comm: Communicator) -> tuple[int, int]:
    """Return this process's rank and the number of ranks; (0, 1) without MPI."""
    if comm is None:
        return 0, 1
    return comm.Get_rank(), comm.Get_size()


def together(
    comm: Communicator,
    function: Callable[..., Result],
    *arguments: Any,
    on_failure: Callable[[], object] | None = None,
    name_rank: bool = True,
) -> Result:
    """Call a function on every rank; where it fails on one, raise on all, so that no rank waits for a failed one.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm or None
    function : callable
        Called with ``arguments``.
    on_failure : callable, optional
        Called on a rank whose call failed, before the ranks meet: it can tell the others to stop early.
    name_rank : bool
        Whether messages begin with the rank that failed.

    Returns
    -------
    object
        What the function returned on this rank.

    Raises
    ------
    InputError
        The first failed rank raised it.
    RuntimeError
        Another rank raised some other exception; the message is its traceback. (The rank itself raises the exception.)
    """
    result, error = None, None
    try:
        result = function(*arguments)
    except Exception as raised:
        error = raised
        if on_failure is not None:
            on_failure()
    if comm is None:
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    failures = comm.allgather(_describe_failure(error))
    if error is not None and not isinstance(error, InputError):
        raise error
    for rank, failure in enumerate(failures):
        if failure is not None:
            kind, message = failure
            prefix = f"rank {rank}: " if name_rank else ""
            raise kind(f"{prefix}{message}")
    return result  # type: ignore[return-value]


def on_first_rank(comm: Communicator, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function on rank 0 and return its result on every rank; where it fails, raise on all.

    Parameters and errors are those of `together`; the result must be picklable.
    """
    rank, _ = rank_and_size(comm)

    def call() -> Result | None:
        return function(*arguments) if rank == 0 else None

    result = together(comm, call, name_rank=False)
    if comm is not None:
        result = comm.bcast(result)
    return result  # type: ignore[return-value]


def _describe_failure(error: Exception | None) -> tuple[type[Exception], str] | None:
    """Describe this rank's exception for the other ranks to raise."""
    if error is None:
        return None
    if isinstance(error, InputError):
        return InputError, str(error)
    return RuntimeError, "".join(traceback.format_exception(error))
