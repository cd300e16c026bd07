"""One worker of test_training: ``mpiexec -n 2 python training_worker.py '{"run": ..., "accident": ...}'``.

Accidents, at the start of the given epoch (counted from 0): ``die`` ends rank 1 without a word, ``raise`` raises on it,
``signal`` sends it SIGUSR1. ``frozen`` lets BatchNorm use its running statistics.
"""

import json
import os
import signal
import sys

import keras

from bigearth.errors import Interrupted
from bigearth.training import batches, loop, network


def main(run, accident=None, at=None, frozen=False, **parameters):
    if accident:
        epoch_order = batches.epoch_order

        def disturbed(rows, seed, epoch, repeats=None):
            if epoch == at and os.environ.get("OMPI_COMM_WORLD_RANK", "1") == "1":
                if accident == "die":
                    os._exit(3)
                if accident == "raise":
                    raise ValueError("the disk of worker 1 is gone")
                os.kill(os.getpid(), signal.SIGUSR1)
            return epoch_order(rows, seed, epoch, repeats)

        batches.epoch_order = disturbed
    if frozen:
        build = network.build

        def frozen_build(*arguments):
            model = build(*arguments)
            for layer in model.layers:
                layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
            return model

        network.build = frozen_build
    try:
        result = loop.train(run=run, **parameters)
    except Interrupted as stopped:  # by returning, no worker is killed before it has said so
        result = {"interrupted": str(stopped)}
    os.write(1, f"{json.dumps(result)}\n".encode())  # in one piece: mpiexec mixes what its ranks write


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
