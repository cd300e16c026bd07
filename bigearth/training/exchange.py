"""How the workers of a training exchange arrays: through Horovod, or through MPI where Horovod cannot be imported.

The only module that knows Horovod. Each class offers the same: rank, size, local_rank, local_size, and `average`,
`sum`, `gather`, `broadcast`, `broadcast_object`. All workers call the same ones, in the same order.
"""

import importlib
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from bigearth.errors import InputError, Stalled

# The workers' patience: Horovod ends all of them when one has not come to an all-reduce that the others wait in for so
# long, and so does `MpiExchange`; a site's profile may set another value under this name.
STALL_VARIABLE = "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS"
STALL_SECONDS = 50
LONGEST_NAP = 0.001  # s between two looks whether MPI is done: long enough to leave the core to the other workers
WITHOUT_NCCL = (
    "Horovod was built without NCCL: gradients go from GPU to GPU through the host's memory, which is correct but "
    "slow; ./setup.sh gpu builds it with NCCL"
)
SLOW = "Horovod cannot be imported: the workers exchange gradients through mpi4py, which is correct but slow"


class Exchange(Protocol):
    """What a team needs of a way to exchange arrays.

    Attributes
    ----------
    means : str
        Which package does it.
    rank, size : int
        Number of this worker, and of workers.
    local_rank, local_size : int
        The same on this node.
    """

    means: str
    rank: int
    size: int
    local_rank: int
    local_size: int

    def average(self, tensor: Any, name: str) -> Any:
        """Mean of a tensor over the workers; also inside a compiled function."""

    def sum(self, array: np.ndarray, name: str) -> np.ndarray:
        """Sum of an array over the workers."""

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Arrays of all workers, of any length, one after the other in rank order."""

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give all workers the values that Keras variables have on rank 0."""

    def broadcast_object(self, value: Any) -> Any:
        """Value of rank 0, which can be pickled."""


class HorovodExchange:
    """Exchange through Horovod: over NCCL, MPI or Gloo, as it was built."""

    means = "Horovod"

    def __init__(self) -> None:
        import horovod.tensorflow as hvd

        hvd.init()
        self._hvd = hvd
        self.rank, self.size = hvd.rank(), hvd.size()
        self.local_rank, self.local_size = hvd.local_rank(), hvd.local_size()

    def average(self, tensor: Any, name: str) -> Any:
        return self._hvd.allreduce(tensor, op=self._hvd.Average, name=name)

    def sum(self, array: np.ndarray, name: str) -> np.ndarray:
        return self._hvd.allreduce(tf.constant(array), op=self._hvd.Sum, name=name).numpy()

    def gather(self, array: np.ndarray) -> np.ndarray:
        return self._hvd.allgather(tf.constant(array), name="gather").numpy()

    def broadcast(self, variables: Sequence[Any]) -> None:
        self._hvd.broadcast_variables([variable.value for variable in variables], 0)

    def broadcast_object(self, value: Any) -> Any:
        return self._hvd.broadcast_object(value, 0)


class MpiExchange:
    """Exchange through mpi4py: needs no build, but copies every array through Python, one after the other.

    Two workers end with the same bytes as through Horovod. MPI has no names: arrays meet in the order of the calls,
    which TensorFlow keeps inside a compiled function too, since ``tf.numpy_function`` counts as stateful.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Of all workers. It is duplicated: what an earlier training left waiting cannot be mistaken for a message of
        this one.
    """

    means = "mpi4py"

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._comm, self._patience = comm.Dup(), read_patience()
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        node = comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.local_rank, self.local_size = node.Get_rank(), node.Get_size()

    def average(self, tensor: Any, name: str) -> Any:
        def average_array(array: np.ndarray) -> np.ndarray:
            return self.sum(array, name) * array.dtype.type(1 / self.size)

        mean = tf.numpy_function(average_array, [tensor], tensor.dtype)
        mean.set_shape(tensor.shape)
        return mean

    def sum(self, array: np.ndarray, name: str) -> np.ndarray:
        from mpi4py import MPI

        total = np.array(array, order="C")  # a copy: MPI writes into it
        self._wait(self._comm.Iallreduce(MPI.IN_PLACE, total, MPI.SUM))
        return total

    def gather(self, array: np.ndarray) -> np.ndarray:
        lengths = np.zeros(self.size, np.int64)
        lengths[self.rank] = len(array)
        lengths = self.sum(lengths, "lengths")
        own = np.ascontiguousarray(array)
        whole = np.empty((lengths.sum(), *own.shape[1:]), own.dtype)
        counts = lengths * int(np.prod(own.shape[1:]))
        self._wait(self._comm.Iallgatherv(own, (whole, counts)))
        return whole

    def broadcast(self, variables: Sequence[Any]) -> None:
        for variable in variables:
            value = np.array(variable.numpy(), order="C")
            self._wait(self._comm.Ibcast(value))
            variable.assign(value)

    def broadcast_object(self, value: Any) -> Any:
        pickled = pickle.dumps(value) if self.rank == 0 else b""
        return pickle.loads(self.gather(np.frombuffer(pickled, np.uint8)).tobytes())

    def _wait(self, request: Any) -> None:
        """Wait until MPI is done, without taking the core from other workers.

        Raises
        ------
        Stalled
            A worker did not come within the patience.
        """
        began, nap = time.monotonic(), 0.0
        while not request.Test():
            if self._patience and time.monotonic() - began > self._patience:
                raise make_stalled()
            time.sleep(nap)
            nap = min(nap + LONGEST_NAP / 20, LONGEST_NAP)


def choose_exchange(comm: Any) -> tuple[Callable[[], Exchange], str]:
    """Choose Horovod, or MPI where a worker cannot import Horovod; the same one on all workers.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm or None
        Of all workers; None where horovodrun started them, which gives them no MPI.

    Returns
    -------
    callable
        Makes the exchange.
    str
        A warning; empty where Horovod is used.

    Raises
    ------
    InputError
        horovodrun started the workers, and Horovod cannot be imported.
    """
    reason = explain_missing_horovod()
    if comm is None:
        if reason:
            raise InputError(
                f'launcher "horovodrun" needs Horovod, which cannot be imported ({reason}): run ./setup.sh, or choose '
                'the launcher "mpi" or "srun", whose workers can do without it'
            )
        return HorovodExchange, ""
    reasons = comm.allgather(reason)  # nodes may differ
    for rank, missing in enumerate(reasons):
        if missing:
            return lambda: MpiExchange(comm), f"{SLOW} (rank {rank}: {missing}); ./setup.sh builds Horovod"
    return HorovodExchange, ""


def find_missing_nccl(exchange: Exchange) -> str:
    """Return a warning where workers with GPUs exchange arrays through a Horovod without NCCL; else an empty text."""
    if exchange.means != HorovodExchange.means or not tf.config.list_physical_devices("GPU"):
        return ""
    import horovod.tensorflow as hvd

    return "" if hvd.nccl_built() else WITHOUT_NCCL


def explain_missing_horovod() -> str:
    """Say in a line why Horovod cannot be imported; empty where it can."""
    try:
        importlib.import_module("horovod.tensorflow")
    except Exception as error:  # a build for another TensorFlow raises whatever its library does
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return ""


def set_horovod_defaults() -> None:
    """Set environment variables of Horovod and MPI, unless they are set already; before either is imported."""
    env = os.environ
    # On CPUs Horovod's thread waits by polling, at the cost of a third of a core: over MPI it yields when idle, over
    # Gloo it sleeps longer between its rounds (a GPU node has a core for it: leave one free).
    env.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
    if env.get("HOROVOD_CONTROLLER") == "gloo" and not tf.config.list_physical_devices("GPU"):
        env.setdefault("HOROVOD_CYCLE_TIME", "20")
    # A worker that died leaves the others in an all-reduce: an error after a while instead of a silent wait.
    patience = read_patience()
    env.setdefault(STALL_VARIABLE, str(patience))
    if patience > 0:  # Horovod ignores a shutdown that comes before its first check
        env.setdefault("HOROVOD_STALL_CHECK_TIME_SECONDS", str(max(1, patience * 2 // 5)))


def read_patience() -> int:
    """Read how long (s) the workers wait for one of them; 0: for ever.

    Raises
    ------
    InputError
        The variable holds no whole number.
    """
    patience = os.environ.get(STALL_VARIABLE, str(STALL_SECONDS))
    if not patience.isascii() or not patience.isdigit():
        raise InputError(f"{STALL_VARIABLE} is {patience!r}: must be a whole number of seconds (0: wait for ever)")
    return int(patience)


@contextmanager
def name_stalls() -> Iterator[None]:
    """Raise `Stalled` for what TensorFlow raises where an exchange of arrays failed: pages of its graph's lines."""
    try:
        yield
    except tf.errors.UnknownError as error:
        # TensorFlow hands on the text alone of what was raised inside a compiled function
        if Stalled.__name__ in str(error) or "horovod" in str(error).lower():
            raise make_stalled() from None
        raise


def make_stalled() -> Stalled:
    """The error of a worker that did not come to an exchange of arrays."""
    return Stalled(
        f"a worker's process ended, or it kept the others waiting for longer than {read_patience()} s: where it was "
        "only slow, raise stall_seconds of the site's profile, see slurm/README.md"
    )
