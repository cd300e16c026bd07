"""What the tests' workers do. As a program in a job: start workers, let them do it, print what came back as JSON.

``python on_ranks.py LAUNCHER WORKERS FUNCTION [FOLDER]``
"""

import json
import os
import sys
import time
from pathlib import Path


def where():
    """This worker's place, as Slurm and MPI see it."""
    from mpi4py.MPI import COMM_WORLD

    gpu, node = os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("SLURMD_NODENAME")
    return {"rank": COMM_WORLD.rank, "size": COMM_WORLD.size, "node": node, "gpu": gpu}


def horovod():
    """Rank and size as Horovod sees them, and a sum over all ranks."""
    import horovod.tensorflow as hvd
    import tensorflow as tf

    hvd.init()
    return {"rank": hvd.rank(), "size": hvd.size(), "sum": int(hvd.allreduce(tf.constant(hvd.rank()), op=hvd.Sum))}


def wait_for_rank_0(folder):
    """Leave this worker's process id in ``folder``; then all wait for a message that rank 0 never sends."""
    from mpi4py.MPI import COMM_WORLD

    (Path(folder) / f"rank{COMM_WORLD.rank}").write_text(str(os.getpid()))
    if COMM_WORLD.rank:
        COMM_WORLD.recv(source=0)
    time.sleep(3600)


def wait(folder):
    """Leave a file of this worker's process in ``folder`` and stay."""
    (Path(folder) / f"rank-{os.getpid()}").touch()
    time.sleep(3600)


if __name__ == "__main__":
    import on_ranks  # under this name the workers find the functions, too

    from bigearth.cluster import engines

    launcher, workers, function, *folder = sys.argv[1:]
    with engines.start(json.loads(workers), launcher) as group:
        print(json.dumps(group.run(getattr(on_ranks, function), **({"folder": folder[0]} if folder else {}))))
