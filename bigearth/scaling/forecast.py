"""Predictions of the step model for later machines: epoch times, where scaling ends, what remedies buy."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bigearth.scaling.machines import describe_machine
from bigearth.scaling.published import TRAINED_PATCHES
from bigearth.scaling.step_model import Figures, time_epoch, time_step
from bigearth.training.recipe import STABLE_BELOW_BATCH

MACHINES = ("juwels", "booster", "jupiter", "h100", "h200")
GPUS = tuple(2**power for power in range(11))
BATCH = 64
# the nodes' own memory, bytes per second: never the limit
IN_MEMORY = {"filesystem": 1e13}
SCALING_ENDS_BELOW = 0.5


def _share_stable_batch(gpus: int) -> float:
    """Patches per GPU, so that all GPUs together stay below the batch from which SGD is not stable."""
    return min(BATCH, (STABLE_BELOW_BATCH - 1) / gpus)


# what changes against the figures of a machine, on so many GPUs
CASES: dict[str, Callable[[int], dict[str, Any]]] = {
    "shared file system": lambda gpus: {},
    "archive in memory": lambda gpus: IN_MEMORY,
    "in memory, batch below 8,192": lambda gpus: IN_MEMORY | {"batch": _share_stable_batch(gpus)},
}


def predict_epochs(machines: Sequence[str] = MACHINES, gpus: Sequence[int] = GPUS) -> pd.DataFrame:
    """Predict seconds per epoch of the paper's network over the paper's data.

    Three cases: 64 native patches per GPU, read from the shared file system; the same from the nodes' own memory; and
    that with fewer than 8,192 patches in all, below which the paper cites plain SGD as stable.

    Returns
    -------
    DataFrame
        ``machine, case, gpus, global_batch, epoch_s, low_s, high_s`` (the uncertainty of the compute rate), ``step``
        (seconds), ``limit`` (see `bigearth.scaling.step_model.time_step`), ``efficiency`` (against one GPU).
    """
    rows = []
    for machine in machines:
        for case, change in CASES.items():
            for count in gpus:
                p = describe_machine(machine, **change(count))
                rows.append({"machine": machine, "case": case, "gpus": count} | _predict_epoch(p, count))
    predicted = pd.DataFrame(rows)
    first = predicted.groupby(["machine", "case"])["epoch_s"].transform("first")
    predicted["efficiency"] = first * gpus[0] / predicted["epoch_s"] / predicted["gpus"]
    return predicted


def _predict_epoch(p: Figures, gpus: int) -> dict[str, Any]:
    step = time_step(gpus, p).iloc[0]
    found = {"global_batch": int(gpus * p["batch"]), "step": step["step"], "limit": step["limit"]}
    spread = 1 + p["rate_uncertainty"]
    for column, factor in (("epoch_s", 1), ("low_s", 1 / spread), ("high_s", spread)):
        changed = p | {"seconds_per_image": p["seconds_per_image"] * factor}
        found[column] = time_epoch(gpus, changed, TRAINED_PATCHES)[0]
    return found


def find_scaling_ends(predicted: pd.DataFrame) -> pd.DataFrame:
    """The first number of GPUs, per machine and case, where efficiency falls below half, and what limits it there.

    Parameters
    ----------
    predicted : DataFrame
        Of `predict_epochs`.
    """
    low = predicted[predicted["efficiency"] < SCALING_ENDS_BELOW]
    ends = low.groupby(["machine", "case"], sort=False).first().reset_index()
    ends["8,192 or more"] = np.where(ends["global_batch"] >= STABLE_BELOW_BATCH, "yes", "no")
    return ends[["machine", "case", "gpus", "global_batch", "8,192 or more", "epoch_s", "efficiency", "limit"]]


def compare_remedies(machines: Sequence[str] = MACHINES, gpus: int = 256) -> pd.DataFrame:
    """Factor of an epoch's speed that each remedy buys: one row per remedy, one column per machine; below 1: slower."""
    columns: dict[str, list[float]] = {}
    names: list[str] = []
    for machine in machines:
        p = describe_machine(machine)
        factors = []
        for before, after in list_remedies(p, gpus).values():
            slow = time_epoch(gpus, describe_machine(machine, **before), TRAINED_PATCHES)[0]
            fast = time_epoch(gpus, describe_machine(machine, **after), TRAINED_PATCHES)[0]
            factors.append(float(slow / fast))
        columns[machine] = factors
        names = list(list_remedies(p, gpus))
    return pd.DataFrame({"remedy": names, **columns})


def list_remedies(p: Figures, gpus: int) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """List what each remedy changes on a machine with figures ``p``: (before, after).

    The first two change what is read from the shared file system; the others start from the archive in memory and
    8,192 patches in all.
    """
    start: dict[str, Any] = IN_MEMORY | {"batch": _share_stable_batch(gpus)}
    return {
        "native bands instead of data_super": ({"stored": "super"}, {}),
        "archive in the nodes' memory": ({}, IN_MEMORY),
        "16-bit gradients": (start, start | {"gradient_bytes": p["gradient_bytes"] / 2}),
        "half the overhead of a step": (start, start | {"overhead": p["overhead"] / 2}),
        f"batch 256 per GPU ({256 * gpus:,} in all), with LARS": (start, start | {"batch": 256}),
        "network four times as fast": (start, start | {"link_between": 4 * p["link_between"]}),
        "all-reduce instead of a central server": (start | {"algorithm": "server"}, start),
    }
