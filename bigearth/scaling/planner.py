"""Plan a full training on a machine: time, GPU hours, memory, disk bandwidth, nodes, Slurm time limit."""

import math
from typing import Any

import numpy as np
import pandas as pd

from bigearth.errors import InputError
from bigearth.parameters import convert
from bigearth.scaling.machines import UPPER_LIMITS, describe_machine, require_number
from bigearth.scaling.network_size import NetworkSize, count_network
from bigearth.scaling.step_model import Figures, time_epoch, time_step
from bigearth.training.recipe import STABLE_BELOW_BATCH

# a job's time limit is a multiple of this
SLURM_STEP_MINUTES = 10
# the rest is for the framework
USABLE_GPU_MEMORY = 0.9
HIGHEST_WHOLE_NUMBER = 10**9
LONGEST_DEADLINE_HOURS = 24 * 365


def plan_training(
    patches: int,
    machine: str,
    deadline_hours: float,
    epochs: int = 100,
    stored: str = "native",
    max_nodes: int = 64,
    measured_rate: float | None = None,
    network: NetworkSize | None = None,
    **figures: Any,
) -> pd.DataFrame:
    """Time and cost of one training for 1, 2, 4 ... and ``max_nodes`` nodes.

    A published rate is that of a tuned benchmark. Without a measured one the pessimistic time, and the time limit with
    it, is therefore stretched by ``pipeline``, which is what JUWELS took in 2019 over its GPUs' published rate.

    Parameters
    ----------
    patches : int
        In the archive, after exclusions.
    machine : str
        Name in ``machines.csv``.
    deadline_hours : float
        The training must end within this, at the pessimistic end of the uncertainty.
    epochs : int
    stored : {"native", "super"}
        Whether native bands or ``data_super`` are read.
    max_nodes : int
        The most that the site grants one job.
    measured_rate : float, optional
        Patches per second and GPU of your own training on this machine (``images_s`` over the workers in the table of
        runs), in place of the published rate; the overhead of a step is contained in it.
    network : NetworkSize, optional
        The paper's network by default.
    **figures
        Override figures of the step model: ``batch``, or ``train_share``, the share of the patches that is trained on
        (half of the others is validated on after each epoch).

    Returns
    -------
    DataFrame
        One row per number of nodes: ``nodes, gpus, global_batch, epoch_s, total_h, low_h, high_h, gpu_hours,
        gpu_memory_gb`` (needed), ``disk_gb_s`` (needed), ``limit`` (see `step_model.time_step`), ``time_limit``
        (Slurm's), ``remarks``, ``recommended``: the fewest nodes that keep the deadline without a remark.

    Raises
    ------
    InputError
        A value is of the wrong type or impossible.
    """
    patches = _require_whole_number("patches", patches)
    epochs = _require_whole_number("epochs", epochs)
    max_nodes = _require_whole_number("max_nodes", max_nodes)
    deadline_hours = _require_positive("deadline_hours", deadline_hours, LONGEST_DEADLINE_HOURS)
    measured_rate = convert("measured_rate", measured_rate, float | None)
    if measured_rate is not None:
        rate = _require_positive("measured_rate", measured_rate, UPPER_LIMITS["images_per_second"][0])
        figures = {"seconds_per_image": 1 / rate, "overhead": 0.0} | figures
    network = network or count_network()
    p = describe_machine(machine, network, stored, **figures)

    nodes = list_node_counts(max_nodes)
    gpus = (nodes * p["gpus_per_node"]).astype(int)
    spread = 1 + p["rate_uncertainty"]
    stretched = spread if measured_rate else max(spread, p["pipeline"])
    epoch_s, total = time_training(gpus, p, patches, epochs, 1.0)
    _, low = time_training(gpus, p, patches, epochs, 1 / spread)
    _, high = time_training(gpus, p, patches, epochs, stretched)
    memory = p["weight_bytes"] * network.weights + p["activation_bytes"] * network.activations * p["batch"]
    images = patches * p["train_share"]
    table = pd.DataFrame(
        {
            "nodes": nodes,
            "gpus": gpus,
            "global_batch": (gpus * p["batch"]).astype(int),
            "epoch_s": epoch_s,
            "total_h": total / 3600,
            "low_h": low / 3600,
            "high_h": high / 3600,
            "gpu_hours": gpus * total / 3600,
            "gpu_memory_gb": memory / 1e9,
            "disk_gb_s": images * p["patch_bytes"] / epoch_s / 1e9,
            "limit": time_step(gpus, p)["limit"],
            "time_limit": [format_time_limit(seconds * p["limit_margin"]) for seconds in high],
        }
    )
    remarks = []
    for row in table.to_dict("records"):
        remarks.append("; ".join(find_problems(row, p, deadline_hours, images)))
    table["remarks"] = remarks
    without = table["remarks"] == ""
    table["recommended"] = without & (without.cumsum() == 1)
    return table


def list_node_counts(max_nodes: int) -> np.ndarray:
    """1, 2, 4 ... and ``max_nodes``."""
    counts = {2**power for power in range(max_nodes.bit_length()) if 2**power <= max_nodes}
    return np.array(sorted(counts | {max_nodes}))


def time_training(
    gpus: np.ndarray, p: Figures, patches: int, epochs: int, factor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of one epoch and of the whole training, if everything takes ``factor`` times as long.

    Reading is stretched by the uncertainty of a rate at most.
    """
    slower = dict(p)
    for name in ("seconds_per_image", "overhead"):
        slower[name] = p[name] * factor
    for name in ("filesystem", "reader"):
        slower[name] = p[name] / min(factor, 1 + p["rate_uncertainty"])
    epoch_s = time_epoch(gpus, slower, patches * p["train_share"])

    # validation is a forward pass; it waits for the same input
    validated = patches * (1 - p["train_share"]) / 2
    computing = validated / gpus * slower["seconds_per_image"] * p["forward_share"]
    reading = validated * p["patch_bytes"] / slower["filesystem"]
    total = (epoch_s + np.maximum(computing, reading)) * epochs + p["startup"]
    return epoch_s, total


def find_problems(row: dict[Any, Any], p: Figures, deadline_hours: float, images: float) -> list[str]:
    """List the reasons against recommending one row of the plan; empty if there are none."""
    problems = []
    if row["low_h"] > deadline_hours:
        problems.append("too late")
    elif row["high_h"] > deadline_hours:
        problems.append("may be too late")
    if row["global_batch"] >= STABLE_BELOW_BATCH:
        problems.append(f"batch not below {STABLE_BELOW_BATCH}: needs LARS")
    if row["gpu_memory_gb"] * 1e9 > USABLE_GPU_MEMORY * p["gpu_memory"]:
        problems.append("batch too large for the GPU's memory")
    if row["global_batch"] > images:
        problems.append("a batch is larger than the training split")
    return problems


def format_time_limit(seconds: float) -> str:
    """Slurm's time limit D-HH:MM:SS, rounded up to ten minutes."""
    minutes = math.ceil(seconds / 60 / SLURM_STEP_MINUTES) * SLURM_STEP_MINUTES
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours:02d}:{minutes:02d}:00"
    return f"{days}-{clock}" if days else clock


def _require_whole_number(name: str, value: Any) -> int:
    number = convert(name, value, int)
    if not 1 <= number <= HIGHEST_WHOLE_NUMBER:
        raise InputError(f"{name}: {value!r} must be a whole number from 1 to {HIGHEST_WHOLE_NUMBER:,}")
    return number


def _require_positive(name: str, value: Any, highest: float) -> float:
    number = require_number(name, value)
    if not 0 < number <= highest:
        raise InputError(f"{name}: {value!r} is impossible; give a positive number up to {highest:g}")
    return number
