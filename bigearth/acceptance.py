"""What notebook 00 asks of a new site: where its workers are, how fast they add gradients, that a dead one ends all."""

import os
import signal
import threading
import time

from bigearth.files import resolve

RESNET50_BYTES = 4 * 25_600_000  # gradients of the paper's network in float32: what every step adds up


def place():
    """Where this worker is, as MPI, Slurm and TensorFlow see it.

    Returns
    -------
    dict
        rank, ranks, node, process, cores, gpus (number that TensorFlow sees), visible (CUDA_VISIBLE_DEVICES).
    """
    from bigearth.training import team

    mine = team.join()
    import tensorflow as tf

    return {
        "rank": mine.rank,
        "ranks": mine.size,
        "node": os.environ.get("SLURMD_NODENAME") or os.uname().nodename,
        "process": os.getpid(),
        "cores": len(os.sched_getaffinity(0)),
        "gpus": len(tf.config.get_visible_devices("GPU")),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
    }


def allreduce_seconds(repeats=5):
    """Time to add up ResNet-50's gradients over all workers with Horovod, the median of ``repeats`` (s), on every rank.

    Algorithm bandwidth is ``RESNET50_BYTES`` over this; the links carry 2 (n - 1) / n times as much.
    """
    import tensorflow as tf

    from bigearth.training import team

    mine = team.join()
    ones = tf.ones(RESNET50_BYTES // 4)
    seconds = []
    for repeat in range(repeats + 1):  # the first one opens the connections
        mine.average(tf.zeros(1), f"barrier{repeat}")
        began = time.perf_counter()
        mean = mine.average(ones, f"bandwidth{repeat}").numpy()
        seconds.append(time.perf_counter() - began)
    if mean.min() != 1 or mean.max() != 1:
        raise RuntimeError(f"an all-reduce of ones gave {mean.min()} to {mean.max()}: MPI or NCCL is broken here")
    return sorted(seconds[1:])[repeats // 2]


def train_and_be_killed(**parameters):
    """`bigearth.training.loop.train`, in which the last rank's process is killed once the first epoch is on disk."""
    from bigearth.training import loop, team

    history = resolve(parameters["workdir"]) / "runs" / parameters["run"] / "history.csv"

    def kill():
        while not history.exists():
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)

    mine = team.join()
    if mine.rank == mine.size - 1:
        threading.Thread(target=kill, daemon=True).start()
    return loop.train(**parameters)
