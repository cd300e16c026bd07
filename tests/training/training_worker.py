"""One worker of test_training: ``mpiexec -n 2 python training_worker.py '{"run": ..., "accident": ...}'``.

Accidents, at the start of the given epoch (counted from 0): ``die`` ends rank 1 without a word, ``raise`` raises on it,
``signal`` sends it SIGUSR1. ``slow disk``: each checkpoint takes ``at`` seconds more.
``late``: rank 1 sleeps before its epoch for longer than the others' patience.
``frozen`` lets BatchNorm use its running statistics; ``means``: "mpi4py" hides Horovod.
"""

import json
import os
import signal
import sys
import time

import keras

from bigearth.errors import Interrupted, Stalled
from bigearth.training import batches, checkpoints, loop, network
from bigearth.training.recipe import Recipe

LATE_SECONDS = 15


def main(run, workdir, cube, accident=None, at=None, frozen=False, means="Horovod", **recipe):
    if means == "mpi4py":
        sys.modules["horovod"] = None
    if accident == "slow disk":
        write = checkpoints.write

        def write_slowly(*arguments):
            time.sleep(at)
            write(*arguments)

        checkpoints.write = write_slowly
    elif accident:
        order_rows = batches.order_rows

        def disturbed(rows, seed, epoch, repeats=None):
            if epoch == at and os.environ.get("OMPI_COMM_WORLD_RANK", "1") == "1":
                if accident == "die":
                    os._exit(3)
                if accident == "raise":
                    raise ValueError("the disk of worker 1 is gone")
                if accident == "late":
                    time.sleep(LATE_SECONDS)
                if accident == "signal":
                    os.kill(os.getpid(), signal.SIGUSR1)
            return order_rows(rows, seed, epoch, repeats)

        batches.order_rows = disturbed
    if frozen:
        build = network.build

        def frozen_build(*arguments):
            model = build(*arguments)
            for layer in model.layers:
                layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
            return model

        network.build = frozen_build
    try:
        result = loop.train(run, workdir, cube, Recipe(**recipe))
    except Interrupted as stopped:  # by returning, no worker is killed before it has said so
        result = {"interrupted": str(stopped)}
    except Stalled as stalled:
        result = {"stalled": str(stalled)}
    os.write(1, f"{json.dumps(result)}\n".encode())  # in one piece: mpiexec mixes what its ranks write


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
