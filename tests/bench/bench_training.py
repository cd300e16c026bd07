"""What the training costs beyond the network: input, our step beside Keras' own ``fit``, and Horovod.

Ratios within one run: the two sides take turns, and the median over the turns is kept. The full multispectral network
by default; on two cores a step of 64 patches takes seconds, so that the whole takes about a quarter of an hour.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from bigearth import background
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.reading import open_cube
from bigearth.files import ROOT, resolve
from bigearth.miniature.archive import miniature
from bigearth.patch import BANDS, PIXELS
from bigearth.progress import track
from bigearth.training import batches, network, optimizers, team
from bigearth.training.recipe import Recipe
from bigearth.training.step import compile_step


class Trainer:
    """One worker's network and step, with input from the cube or one repeated batch."""

    def __init__(self, arguments, augment=True):
        self.team, self.batch = team.join_team(), arguments.batch
        self.cube = open_cube(resolve(arguments.workdir) / "cube.h5")
        recipe = Recipe(
            width=arguments.width,
            blocks=arguments.blocks,
            optimizer="sgd",
            dropout=0.5,
            augment=augment,
            mixup=0.2 if augment else 0.0,
        )
        self.keys = list(recipe.inputs)
        model = network.build(recipe, 43, self.cube.mean, self.cube.std)
        updates = optimizers.make_optimizer(recipe)
        updates.build(model.trainable_variables)
        self.compiled = compile_step(self.team, model, updates, recipe)
        self.epoch = 0

    def batches(self):
        """Batches of the cube without end."""
        while True:
            self.epoch += 1
            rows = range(sum(len(rows) for rows in self.cube.rows.values()))
            order = batches.order_rows(rows, 1, self.epoch)
            members = self.team
            yield from batches.read_training_batches(
                self.cube, self.keys, order, self.batch, members.rank, members.size
            )

    def step(self, features, truth):
        zero = tf.constant(0.0)
        loss, *_ = self.compiled(features, truth, tf.constant([1, 2]), tf.constant(0.001), zero)
        return float(loss)


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def against_repeated_batch(arguments):
    """Seconds of a step with input from the cube over seconds on one batch in memory."""
    trainer = Trainer(arguments)
    source = background.read_ahead(trainer.batches())
    features, truth = next(source)
    memory = {key: tf.constant(x) for key, x in features.items()}, tf.constant(truth)
    trainer.step(*memory)
    turns = [[timed(lambda: trainer.step(*next(source))), timed(lambda: trainer.step(*memory))]
             for _ in track(range(arguments.turns), "against a repeated batch", "turn")]  # fmt: skip
    source.close()
    return np.array(turns)


def against_keras_fit(arguments):
    """Seconds of our whole step (augmentation, L2 ...) over those of keras.applications.ResNet50 under ``fit``."""
    trainer = Trainer(arguments)
    features, truth = next(trainer.batches())
    plain = keras.applications.ResNet50(weights=None, input_shape=(PIXELS[10], PIXELS[10], len(BANDS)), classes=43,
                                        classifier_activation="sigmoid")  # fmt: skip
    if arguments.width != 64:  # a smoke test: the same small network on both sides
        narrow = Recipe(upsampling="bilinear", width=arguments.width, blocks=arguments.blocks, dropout=0.5)
        plain = network.build(narrow, 43, trainer.cube.mean, trainer.cube.std)
    plain.compile(keras.optimizers.SGD(0.001, 0.9, nesterov=True), "binary_crossentropy")
    steps = 2  # in one call of fit, which has some work of its own
    images = np.random.default_rng(0).random((steps * arguments.batch, PIXELS[10], PIXELS[10], len(BANDS)), np.float32)
    labels = np.tile(truth, (steps, 1)).astype(np.float32)
    inputs = images if arguments.width == 64 else {"data_super": images}

    def fit():
        plain.fit(inputs, labels, batch_size=arguments.batch, epochs=1, shuffle=False, verbose=0)

    def ours():
        for _ in range(steps):
            trainer.step(features, truth)

    fit(), ours()
    turns = track(range(arguments.turns), "against Keras' fit", "turn")
    return np.array([[timed(ours) / steps, timed(fit) / steps] for _ in turns])


def worker(arguments):
    """Print images/s of this process after the first step."""
    trainer = Trainer(arguments)
    features, truth = next(trainer.batches())
    trainer.step(features, truth)
    trainer.team.on_first(lambda: None)
    seconds = timed(lambda: [trainer.step(features, truth) for _ in range(arguments.turns)])
    os.write(1, f"images/s {arguments.turns * arguments.batch / seconds}\n".encode())  # in one piece


def horovod_rates(arguments):
    """Images/s together: two Horovod workers, two independent ones at the same time, one alone; one core each."""
    me = [sys.executable, __file__, "--worker", *sys.argv[1:]]
    cores = sorted(os.sched_getaffinity(0))[:2]
    names = ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"]
    environment = os.environ | dict.fromkeys(names, "1") | {"PYTHONPATH": str(ROOT)}

    def rate(commands):
        running = [subprocess.Popen(c, env=environment, stdout=subprocess.PIPE, text=True) for c in commands]
        lines = [line for process in running for line in process.communicate()[0].splitlines()]
        assert not any(process.returncode for process in running), commands
        return sum(float(line.split()[1]) for line in lines if line.startswith("images/s"))

    pinned = [["taskset", "-c", str(core), *me] for core in cores]
    pair = ["mpiexec", "--bind-to", "none", "-n", "1", *pinned[0], ":", "-n", "1", *pinned[1]]
    # there and back: a drift of the machine's speed hits all alike
    order = [[pair], pinned, pinned[:1], pinned[1:], pinned, [pair]]
    rates = [rate(commands) for commands in order]
    horovod, independent, alone = (np.mean([rates[i], rates[-1 - i]]) for i in range(3))
    return {"horovod": horovod, "independent": independent, "alone": alone}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", default="scratch/mini", help="of the archive and the cube; written if absent")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, nargs="+", default=[3, 4, 6, 3])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help="be one worker of the Horovod comparison")
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(arguments)
    path = resolve(arguments.workdir) / "cube.h5"
    if not path.exists():
        write_cube(cube=path, archive=miniature(path.parent), workdir=path.parent)
    rates = horovod_rates(arguments)  # first: the parent takes no memory or core yet
    fed, fit = against_repeated_batch(arguments), against_keras_fit(arguments)
    # ratio of each turn first: both sides of a turn met the same machine
    rows = [
        ("images/s, two Horovod workers pinned to a core each", rates["horovod"], ""),
        ("images/s, two independent workers on the same cores", rates["independent"], ""),
        ("Horovod over independent", rates["horovod"] / rates["independent"], "at least 0.95"),
        ("Horovod over twice one worker alone", rates["horovod"] / 2 / rates["alone"], ""),
        ("step on the cube's batches, s", np.median(fed[:, 0]), ""),
        ("speed from the cube over one repeated batch", np.median(fed[:, 1] / fed[:, 0]), "at least 0.97"),
        ("step of keras.applications.ResNet50 by fit, s", np.median(fit[:, 1]), ""),
        ("our step over that of fit", np.median(fit[:, 0] / fit[:, 1]), "at most 1.05"),
    ]
    table = pd.DataFrame(rows, columns=["measure", "value", "goal"])
    table["network"] = f"width {arguments.width}, blocks {arguments.blocks}, batch {arguments.batch}"
    print(table.round(3).to_string(index=False))
    if (arguments.width, arguments.batch) == (64, 64):  # a smoke test leaves the measured table alone
        folder = Path(ROOT) / "scratch/results/bench"
        folder.mkdir(parents=True, exist_ok=True)
        table.round(3).to_csv(folder / "training.csv", index=False)


if __name__ == "__main__":
    main()
