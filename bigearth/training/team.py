"""The workers of a training as one team. One worker needs neither Horovod nor MPI.

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

from bigearth import machine, mpi
from bigearth.errors import InputError
from bigearth.training.exchange import Exchange, choose_exchange, find_missing_nccl, set_horovod_defaults

WORD_SECONDS = 1  # how often rank 0 tells the waiting workers that it is still busy


class Team:
    """All workers of a run. A team of one leaves every input as it is.

    Parameters
    ----------
    exchange : Exchange, optional
        How arrays go from worker to worker; None for a team of one.
    warning : str
        What the reader of a training should know of it.

    Attributes
    ----------
    rank, size : int
        Number of this worker, and of workers.
    """

    def __init__(self, exchange: Exchange | None = None, warning: str = "") -> None:
        self._exchange = exchange
        self.warning = warning
        self.rank = exchange.rank if exchange else 0
        self.size = exchange.size if exchange else 1

    @property
    def means(self) -> str:
        """What exchanges arrays: "Horovod" or "mpi4py"; "none" for a team of one."""
        return self._exchange.means if self._exchange else "none"

    def average(self, tensor: Any, name: str) -> Any:
        """Mean of a tensor over the workers; also inside a compiled function."""
        if self._exchange is None:
            return tensor
        return self._exchange.average(tensor, name)

    def sum(self, array: np.ndarray, name: str = "sum") -> np.ndarray:
        """Sum of an array over the workers."""
        if self._exchange is None:
            return array
        return self._exchange.sum(array, name)

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Arrays of all workers, of any length, one after the other in rank order; on every worker."""
        if self._exchange is None:
            return array
        return self._exchange.gather(array)

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give all workers the values that Keras variables have on rank 0."""
        if self._exchange is not None:
            self._exchange.broadcast(variables)

    def on_first(self, function: Callable[[], Any]) -> Any:
        """Result of ``function()``, called on rank 0 alone; what it raises is raised on all ranks.

        The others wait, however long it takes.
        """
        if self._exchange is None:
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
        outcome, error = self._exchange.broadcast_object((outcome, error))
        if error:
            raise error
        return outcome

    @contextmanager
    def _others_waiting(self) -> Iterator[None]:
        """Tell the other workers every second that rank 0 is busy, so that they do not take it for dead."""
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
    comm = None if "HOROVOD_RANK" in os.environ else mpi.communicator()
    _check_size(size, comm.Get_size() if comm else size, "MPI")
    make_exchange, warning = choose_exchange(comm)
    exchange = make_exchange()
    _check_size(size, exchange.size, exchange.means)
    _set_up_device(exchange.local_rank, exchange.local_size)
    return Team(exchange, warning or find_missing_nccl(exchange))


def _check_size(started: int, found: int, by: str) -> None:
    if found != started:
        raise RuntimeError(f"the launcher started {started} workers, {by} found {found}: another MPI?")


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
