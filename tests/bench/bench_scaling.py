"""Two workers, predicted from one and from two that ignore each other: median of five rounds, target within 10 %.

    python tests/bench/bench_scaling.py [--width 64 --blocks 3,4,6,3 --batch 16 --steps 6 --rounds 5]

Each round times the same training step on one worker alone (the other waits), on two workers that do not talk to each
other (but share memory and caches), and on two that sum their gradients with Horovod. A fourth measurement sums tensors
of the gradients' sizes without any training: the link. The prediction of a round is the step model's: time and noise
of its one worker; contention, how much slower two independent workers are than one, from all other rounds; expected
maximum of two noisy workers; and the measured sum, which nothing hides, since a worker has one core for both. Writes
scratch/results/bench/scaling.csv. Needs a machine with two cores and no other load.
"""

import argparse
import sys

import numpy as np
import pandas as pd

from bigearth.cluster import engines
from bigearth.files import ROOT
from bigearth.scaling import step_model


def rounds(width, blocks, batch, steps, count):
    """Runs on each of two workers: seconds per step {kind: (count, steps)}, and seconds of one sum of all gradients."""
    import time

    import keras
    import numpy as np
    import tensorflow as tf
    from mpi4py import MPI

    from bigearth.patch import BANDS, BANDS_AT, DATASET_OF, PIXELS
    from bigearth.training import network, optimizers, team
    from bigearth.training import step as training_step
    from bigearth.training.recipe import Recipe

    together, alone = team.join_team(), team.Team()
    mpi = MPI.COMM_WORLD
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    features = {DATASET_OF[m]: random.integers(0, 4000, (batch, PIXELS[m], PIXELS[m], len(group))).astype("uint16")
                for m, group in BANDS_AT.items()}  # fmt: skip
    truth = random.integers(0, 2, (batch, 43)).astype("uint8")

    def prepared(members):
        recipe = Recipe(width=width, blocks=blocks, optimizer="sgd", dropout=0.5, mixup=0.2)
        model = network.build(recipe, 43, dict.fromkeys(BANDS, 1000.0), dict.fromkeys(BANDS, 500.0))
        updates = optimizers.make_optimizer(recipe)
        updates.build(model.trainable_variables)
        step = training_step.compile_step(members, model, updates, recipe)
        seed, rate, stop = tf.constant([1, 2], tf.int32), tf.constant(1e-3), tf.constant(0.0)
        run = lambda: float(step(features, truth, seed, rate, stop)[0])  # noqa: E731
        run(), run()
        return model, run

    def wait():
        # a blocking barrier polls, and takes the core from the worker that is being timed
        request = mpi.Ibarrier()
        while not request.Test():
            time.sleep(0.01)

    def timed(run):
        seconds = []
        for _ in range(steps):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        return seconds

    model, apart = prepared(alone)
    _, joint = prepared(together)
    gradients = [tf.zeros(variable.shape) for variable in model.trainable_variables]
    add = tf.function(lambda: [together.average(tensor, f"sum{i}") for i, tensor in enumerate(gradients)])
    link = lambda: add()[-1].numpy()  # noqa: E731
    link()
    found = {"one": [], "independent": [], "horovod": [], "sum": []}
    for _ in range(count):
        for kind, run in (("one", apart), ("independent", apart), ("horovod", joint), ("sum", link)):
            wait()
            found[kind].append(timed(run) if kind != "one" or mpi.rank == 0 else [np.nan] * steps)
    wait()
    return {kind: np.array(values) for kind, values in found.items()}


def predict(one, contention, summed):
    """Step seconds of two workers, and their noise, from those of one alone (steps,) and of sums of all gradients."""
    noise = one.std() / one.mean()
    slowest = 1 + noise * float(step_model.expected_maximum(2))
    return one.mean() * contention * slowest + np.median(summed), noise


def predictions(workers):
    """Table of the rounds, from what `rounds` returned on each worker."""
    kinds = {
        kind: np.stack([worker[kind] for worker in workers], axis=1) for kind in workers[0]
    }  # (round, worker, step)
    one, measured = kinds["one"][:, 0], kinds["horovod"].max(axis=1).mean(axis=1)
    slower = kinds["independent"].mean(axis=(1, 2)) / one.mean(axis=1)
    rows = []
    for i in range(len(one)):
        # of this round, it would put the two workers' own time in the place of the one worker's
        contention = np.median(np.delete(slower, i))
        predicted, noise = predict(one[i], contention, kinds["sum"][i])
        rows.append({"round": i + 1, "one_s": one[i].mean(), "contention": contention, "noise": noise,
                     "sum_s": np.median(kinds["sum"][i]), "predicted_s": predicted, "measured_s": measured[i],
                     "ratio": predicted / measured[i]})  # fmt: skip
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"width": 64, "batch": 16, "steps": 6, "rounds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--blocks", default="3,4,6,3")
    given = parser.parse_args()
    if given.rounds < 2:
        parser.error("--rounds: at least 2; contention is taken from the other rounds")
    blocks = [int(n) for n in given.blocks.split(",")]
    with engines.start(2, "mpi") as group:
        workers = group.run(
            rounds, width=given.width, blocks=blocks, batch=given.batch, steps=given.steps, count=given.rounds
        )
    table = predictions(workers)
    folder = ROOT / "scratch/results/bench"
    folder.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(folder / "scaling.csv", index=False)
    ratio = table["ratio"].median()
    print(table.round(3).to_string(index=False))
    print(f"predicted / measured, median of {given.rounds}: {ratio:.3f} (target 0.90 to 1.10)")
    return 0 if 0.9 <= ratio <= 1.1 else 1


if __name__ == "__main__":
    sys.exit(main())
