"""The workers of a training as one team: the only module that knows Horovod. One worker needs neither it nor MPI.

A worker is a process; its rank is its number, 0 to ``size - 1``.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bigearth import machine
from bigearth.errors import InputError

# Horovod ends all workers when one has not come to an all-reduce that the others wait in for so long; a site's profile
# may set another value under this name. (Rank 0 may take as long as it likes to write: see `Team.on_first`.)
STALL_VARIABLE = "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS"
STALL_SECONDS = 50
WORD_SECONDS = 1  # how often rank 0 tells the waiting workers that it is still busy


class Team:
    """All workers of a run. A team of one leaves every input as it is.

    Attributes
    ----------
    rank, size : int
        Number of this worker, and of workers.
    """

    def __init__(self, hvd: Any = None) -> None:
        self._hvd = hvd
        self.rank = hvd.rank() if hvd else 0
        self.size = hvd.size() if hvd else 1

    def average(self, tensor: Any, name: str) -> Any:
        """Mean of a tensor over the workers; also inside a compiled function."""
        if self._hvd is None:
            return tensor
        return self._hvd.allreduce(tensor, op=self._hvd.Average, name=name)

    def sum(self, array: np.ndarray, name: str = "sum") -> np.ndarray:
        """Sum of an array over the workers."""
        if self._hvd is None:
            return array
        return self._hvd.allreduce(tf.constant(array), op=self._hvd.Sum, name=name).numpy()

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Arrays of all workers, of any length, one after the other in rank order; on every worker."""
        if self._hvd is None:
            return array
        return self._hvd.allgather(tf.constant(array), name="gather").numpy()

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give all workers the values that Keras variables have on rank 0."""
        if self._hvd is not None:
            self._hvd.broadcast_variables([variable.value for variable in variables], 0)

    def on_first(self, function: Callable[[], Any]) -> Any:
        """Result of ``function()``, called on rank 0 alone; what it raises is raised on all ranks.

        The others wait, however long it takes.
        """
        if self._hvd is None:
            return function()
        outcome, error = None, None
        if self.rank == 0:
            with self._others_waiting():
                try:
                    outcome = function()
                except Exception as raised:
                    error = raised
        else:
            while self._tell_busy(False):
                pass
        outcome, error = self._hvd.broadcast_object((outcome, error), 0)
        if error:
            raise error
        return outcome

    @contextmanager
    def _others_waiting(self) -> Iterator[None]:
        """Tell the other workers every second that rank 0 is busy, so that Horovod does not take it for dead."""
        finished = threading.Event()

        def tell() -> None:
            busy = True
            while busy:
                busy = not finished.wait(WORD_SECONDS)
                self._tell_busy(busy)

        with ThreadPoolExecutor(1) as pool:
            telling = pool.submit(tell)
            try:
                yield
            finally:
                finished.set()
            telling.result()

    def _tell_busy(self, busy: bool) -> bool:
        """Whether any worker says that it is busy."""
        return bool(self.sum(np.array(float(busy)), "busy") > 0)

    def average_statistics(self, model: keras.Model) -> None:
        """Average BatchNorm's running statistics over the workers.

        Within an epoch they are a worker's own, as in Horovod's examples; at its end they become one again.
        """
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                for variable in layer.non_trainable_variables:
                    variable.assign(self.average(variable.value, variable.path))

    def check_same_weights(self, model: keras.Model) -> str:
        """Checksum (SHA-256) of the weights; RuntimeError if they are not the same bytes on every worker."""
        content = b"".join(variable.numpy().tobytes() for variable in model.weights)
        digest = hashlib.sha256(content).digest()
        seen = self.gather(np.frombuffer(digest, np.uint8)[None])
        differ = np.flatnonzero((seen != seen[0]).any(axis=1))
        if len(differ):
            raise RuntimeError(f"after training the weights of ranks {differ} are not those of rank 0")
        return digest.hex()


def join_team() -> Team:
    """Join the workers that a launcher started with this one (MPI, srun or horovodrun), and set up the device."""
    size = count_started()
    if size == 1:
        _set_up_device(0, 1)
        return Team()
    set_horovod_defaults()
    import horovod.tensorflow as hvd  # reads its environment now; a team of one works without it

    hvd.init()
    if hvd.size() != size:
        raise RuntimeError(f"the launcher started {size} workers, Horovod found {hvd.size()}: another MPI?")
    _set_up_device(hvd.local_rank(), hvd.local_size())
    return Team(hvd)


def count_started() -> int:
    """Number of workers that this process' launcher started, from its environment."""
    env = os.environ
    sizes = [env.get("OMPI_COMM_WORLD_SIZE"), env.get("HOROVOD_SIZE"), env.get("PMI_SIZE")]
    if "PMIX_RANK" in env or "PMI_RANK" in env:
        sizes.append(env.get("SLURM_STEP_NUM_TASKS"))
    for size in sizes:
        if size:
            return int(size)
    return 1


def set_horovod_defaults() -> None:
    """Set Horovod's environment variables, unless they are set already."""
    env = os.environ
    # On CPUs Horovod's thread waits by polling, at the cost of a third of a core: over MPI it yields when idle, over
    # Gloo it sleeps longer between its rounds (a GPU node has a core for it: leave one free).
    env.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
    if env.get("HOROVOD_CONTROLLER") == "gloo" and not tf.config.list_physical_devices("GPU"):
        env.setdefault("HOROVOD_CYCLE_TIME", "20")
    # A worker that died leaves the others in an all-reduce: an error after a while instead of a silent wait.
    stall = env.setdefault(STALL_VARIABLE, str(STALL_SECONDS))
    if not stall.isascii() or not stall.isdigit():
        raise InputError(f"{STALL_VARIABLE} is {stall!r}: must be a whole number of seconds (0: wait for ever)")
    if int(stall) > 0:  # Horovod ignores a shutdown that comes before its first check
        env.setdefault("HOROVOD_STALL_CHECK_TIME_SECONDS", str(max(1, int(stall) * 2 // 5)))


def _set_up_device(local_rank: int, local_size: int) -> None:
    """Use one GPU, or a fair share of the cores, for this worker.

    Raises
    ------
    InputError
        The worker was given a GPU that TensorFlow cannot use.
    """
    cores = machine.count_cores()
    if cores == machine.count_all_cores():  # not bound to some of them by the launcher
        cores = max(1, cores // local_size)
    try:
        gpus = tf.config.list_physical_devices("GPU")
        given = machine.list_visible_gpus(machine.list_gpus())
        if given and not gpus:
            raise InputError(
                f"CUDA_VISIBLE_DEVICES is {','.join(given)} but TensorFlow sees no GPU: `python -m bigearth doctor` on "
                'this node says more; set CUDA_VISIBLE_DEVICES="" to run on the cores'
            )
        if gpus:
            own = gpus[local_rank % len(gpus)]  # a launcher may show each worker its own GPU only
            tf.config.set_visible_devices(own, "GPU")
            tf.config.experimental.set_memory_growth(own, True)
        tf.config.threading.set_intra_op_parallelism_threads(cores)
    except RuntimeError:
        return  # TensorFlow has begun to work in this process: an earlier run set it up
