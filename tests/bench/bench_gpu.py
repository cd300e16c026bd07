"""What the first machine with a GPU must show: full-width trainings in float32, in mixed precision, and on two GPUs.

    python tests/bench/bench_gpu.py

Each is a training as of notebook 03, with ResNet-50 on all bands, on the miniature's cube; a second float32 training
with another seed shows how far seeds spread. Ends with 1 where one of the conditions that it prints does not hold.
Where no GPU is, it says so and ends. Not run on a GPU so far; `--on-cores` tries the script itself, with a narrow
network.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import pandas as pd

from bigearth import machine
from bigearth.cluster import engines, gpu_route
from bigearth.cube.preprocessing import write_cube
from bigearth.errors import InputError
from bigearth.files import ROOT, resolve
from bigearth.miniature.archive import miniature
from bigearth.outside import read_json
from bigearth.training.recipe import Recipe
from bigearth.training.start import Training

LARGEST_INPUT = 0.1  # share of a step that a worker may wait for its batch
LARGEST_DIFFERENCE = 0.05  # of micro F1 on the validation split, between precisions
LEAST_SPEEDUP = 1.5  # of two GPUs; the miniature's small batches leave the all-reduce little to hide behind
COLUMNS = {"input": "input_ms", "forward and backward": "compute_ms", "all-reduce": "allreduce_ms", "rest": "rest_ms"}


def find_reason_to_skip():
    """Why there is nothing to run here; empty where TensorFlow can use a GPU."""
    try:
        found = gpu_route.find_gpus()
        if not machine.list_visible_gpus(machine.list_gpus()):
            return found
        gpu_route.find_cuda()
    except InputError as error:
        return str(error)
    return ""


def list_trainings(workers, mixed):
    """Name, number of workers, precision and seed of each training."""
    trainings = [
        ("float32", 1, "float32", 1),
        ("float32-seed2", 1, "float32", 2),
        ("mixed", 1, mixed, 1),
    ]
    if workers > 1:
        trainings.append(("mixed-2", 2, mixed, 1))
    return trainings


def train(run, workers, recipe, workdir):
    """Train a run, or go on with it; a row of the table."""
    training = Training(run, workdir, workdir / "cube.h5", recipe, [])
    training.check(workers)
    with engines.start(workers, "mpi", exact=False) as group:
        results = training.run_on(group)
    history, steps = training.read_history(), training.summarise_steps()
    row = {
        "run": run,
        "workers": workers,
        "precision": recipe.precision,
        "images_s": steps["images/s"].sum(),
        **{column: steps[part].mean() for part, column in COLUMNS.items()},
        "first_loss": history["loss"].iloc[0],
        "loss": history["loss"].iloc[-1],
        "val_loss": history["val_loss"].iloc[-1],
        "val_f1": history["val_f1"].iloc[-1],
        "exchange": read_json(training.folder / "provenance.json", "provenance", "train it again")["allreduce"],
        "same_weights": len({result["checksum"] for result in results}) == 1,
    }
    return row


def judge(table):
    """Each condition in words, with its figures, and whether it holds."""
    rows = table.set_index("run")
    single, other_seed, mixed = rows.loc["float32"], rows.loc["float32-seed2"], rows.loc["mixed"]
    conditions = [("every loss falls", (rows["loss"] < rows["first_loss"]).all())]

    waiting = (rows["input_ms"] / rows[list(COLUMNS.values())].sum(axis=1)).max()
    words = f"input takes at most {waiting:.1%} of a step (wanted: at most {LARGEST_INPUT:.0%})"
    conditions.append((words, waiting <= LARGEST_INPUT))

    faster = mixed["images_s"] / single["images_s"]
    conditions.append((f"mixed precision is {faster:.2f} times as fast as float32 (wanted: more than 1)", faster > 1))

    difference = abs(mixed["val_f1"] - single["val_f1"])
    spread = abs(other_seed["val_f1"] - single["val_f1"])
    words = f"mixed precision changes micro F1 by {difference:.3f} (wanted: at most {LARGEST_DIFFERENCE})"
    conditions.append((f"{words}; another seed by {spread:.3f}", difference <= LARGEST_DIFFERENCE))
    return conditions


def judge_pair(table):
    """The conditions of two workers beside one, each in words, and whether it holds."""
    rows = table.set_index("run")
    mixed, pair = rows.loc["mixed"], rows.loc["mixed-2"]
    speedup = pair["images_s"] / mixed["images_s"]
    problem = "" if pair["exchange"] == "Horovod" else f"{pair['exchange']} takes its place"
    try:
        gpu_route.find_nccl()
    except InputError as error:
        problem = str(error)
    return [
        (f"two workers are {speedup:.2f} times as fast as one (wanted: {LEAST_SPEEDUP})", speedup >= LEAST_SPEEDUP),
        ("two workers end with the same weights", pair["same_weights"]),
        ("gradients go through NCCL" + (f": {problem}" if problem else ""), not problem),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", default="scratch/bench-gpu", help="of the cube and the runs")
    parser.add_argument("--mixed", default="mixed_bfloat16", help="V100: mixed_float16")
    parser.add_argument("--batch", type=int, default=64, help="patches per worker")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--on-cores", action="store_true", help="try this script without a GPU; judges nothing")
    given = parser.parse_args()
    reason = "" if given.on_cores else find_reason_to_skip()
    if reason:
        print(f"skipped: nothing to measure without a GPU that TensorFlow can use: {reason}")
        return 0
    workers = 2 if given.on_cores else len(machine.list_visible_gpus(machine.list_gpus()))
    network = {"width": 4, "blocks": [1, 1, 1, 1]} if given.on_cores else {"width": 64, "blocks": [3, 4, 6, 3]}

    workdir = resolve(given.workdir)
    if not (workdir / "cube.h5").exists():
        write_cube(cube=workdir / "cube.h5", archive=miniature(workdir), workdir=workdir)
    rows = []
    for run, count, precision, seed in list_trainings(workers, given.mixed):
        print(f"== {run}", flush=True)
        recipe = Recipe(**network, epochs=given.epochs, batch_size=given.batch, precision=precision, seed=seed)
        rows.append(train(run, count, recipe, workdir))
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    if given.on_cores:
        print("tried on the cores: says nothing about GPUs")
        return 0

    folder = ROOT / "scratch/results/bench"
    folder.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(folder / "gpu.csv", index=False)
    conditions = judge(table)
    if workers > 1:
        conditions += judge_pair(table)
    else:
        print("one GPU: two workers were not tried")
    for words, holds in conditions:
        print("ok  " if holds else "NOT ", words)
    return 0 if all(holds for _, holds in conditions) else 1


if __name__ == "__main__":
    sys.exit(main())
