"""The workers of a training as one team: the only module that knows Horovod. One worker needs neither it nor MPI."""

import os

import tensorflow as tf

from bigearth.errors import InputError


class Team:
    """All workers of a run. A team of one leaves every input as it is.

    Attributes
    ----------
    rank, size : int
    """

    def __init__(self, hvd=None):
        self.rank, self.size = (hvd.rank(), hvd.size()) if hvd else (0, 1)
        self._hvd = hvd

    def average(self, tensor, name):
        """Mean of a tensor over the workers; also inside a compiled function."""
        return self._hvd.allreduce(tensor, op=self._hvd.Average, name=name) if self._hvd else tensor

    def sum(self, array):
        """Sum of an array over the workers."""
        return self._hvd.allreduce(tf.constant(array), op=self._hvd.Sum, name="sum").numpy() if self._hvd else array

    def gather(self, array):
        """Arrays of all workers, of any length, one after the other in rank order; on every worker."""
        return self._hvd.allgather(tf.constant(array), name="gather").numpy() if self._hvd else array

    def broadcast(self, variables):
        """Give all workers the values that Keras variables have on rank 0."""
        if self._hvd:
            self._hvd.broadcast_variables([variable.value for variable in variables], 0)

    def on_first(self, function):
        """Result of ``function()``, called on rank 0 alone; what it raises is raised on all ranks."""
        outcome, error = None, None
        if self.rank == 0:
            try:
                outcome = function()
            except Exception as raised:
                error = raised
        if self._hvd:
            outcome, error = self._hvd.broadcast_object((outcome, error), 0)
        if error:
            raise error
        return outcome


def join():
    """Join the workers that a launcher started with this one (MPI, srun or horovodrun), and set up the device.

    Returns
    -------
    Team
    """
    env = os.environ
    step = env.get("SLURM_STEP_NUM_TASKS") if "PMIX_RANK" in env or "PMI_RANK" in env else None
    size = int(env.get("OMPI_COMM_WORLD_SIZE") or env.get("HOROVOD_SIZE") or env.get("PMI_SIZE") or step or 1)
    if size == 1:
        _set_up_device(0, 1)
        return Team()
    # On CPUs Horovod's thread waits by polling, at the cost of a third of a core: over MPI it yields when idle, over
    # Gloo it sleeps longer between its rounds (a GPU node has a core for it: leave one free).
    env.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
    if env.get("HOROVOD_CONTROLLER") == "gloo" and not tf.config.list_physical_devices("GPU"):
        env.setdefault("HOROVOD_CYCLE_TIME", "20")
    # A worker that died leaves the others in an all-reduce: an error in less than a minute instead of a silent wait.
    env.setdefault("HOROVOD_STALL_CHECK_TIME_SECONDS", "20")
    env.setdefault("HOROVOD_STALL_SHUTDOWN_TIME_SECONDS", "50")
    import horovod.tensorflow as hvd  # reads its environment now; a team of one works without it

    hvd.init()
    if hvd.size() != size:
        raise RuntimeError(f"the launcher started {size} workers, Horovod found {hvd.size()}: another MPI?")
    _set_up_device(hvd.local_rank(), hvd.local_size())
    return Team(hvd)


def _set_up_device(local_rank, local_size):
    """One GPU, or a fair share of the cores, for this worker."""
    cores = len(os.sched_getaffinity(0))
    if cores == os.cpu_count():  # not bound to some of them by the launcher
        cores = max(1, cores // local_size)
    try:
        gpus = tf.config.list_physical_devices("GPU")
        given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if not gpus and given not in ("", "-1"):
            raise InputError(
                f"CUDA_VISIBLE_DEVICES is {given} but TensorFlow sees no GPU: `python -m bigearth doctor` on this node "
                'says more; set CUDA_VISIBLE_DEVICES="" to run on the cores'
            )
        if gpus:
            mine = gpus[local_rank % len(gpus)]  # a launcher may show each worker its own GPU only
            tf.config.set_visible_devices(mine, "GPU")
            tf.config.experimental.set_memory_growth(mine, True)
        tf.config.threading.set_intra_op_parallelism_threads(cores)
    except RuntimeError:
        return  # TensorFlow has begun to work in this process: an earlier run set it up
