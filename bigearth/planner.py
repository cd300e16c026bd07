"""What a full training would take on a machine: time, GPU hours, memory, disk bandwidth, nodes, Slurm time limit."""

import numpy as np
import pandas as pd

from bigearth import step_model
from bigearth.errors import InputError
from bigearth.recipe import STABLE_GLOBAL_BATCH

# weights, gradients and momentum in float32
BYTES_PER_WEIGHT = 12
# of a convolution's output, its normalised form and its activation, two are kept for the backward pass, in float32
BYTES_PER_ACTIVATION = 8
STARTUP_SECONDS = 300  # queue prologue, imports, first compilation, final predictions; assumed
LIMIT_MARGIN = 1.25  # of the pessimistic time: what a job may be late without being killed


def plan(
    patches, machine, deadline_hours, epochs=100, train_share=0.6, stored="native", max_nodes=64, net=None, **numbers
):
    """Time and cost of one training for 1, 2, 4 ... nodes.

    Parameters
    ----------
    patches : int
        In the archive, after exclusions.
    machine : str
        Name in ``data/machines.csv``.
    deadline_hours : float
        The training must end within this, at the pessimistic end of the uncertainty.
    epochs : int
    train_share : float
        Of the patches that are trained on; a third of the others is validated on after each epoch.
    stored : {"native", "super"}
        Whether native bands or ``data_super`` are read.
    max_nodes : int
        What the site grants one job.
    net : dict, optional
        From ``step_model.network``.
    **numbers
        Override parameters of the step model, batch for instance.

    Returns
    -------
    DataFrame
        One row per number of nodes: ``nodes, gpus, global_batch, epoch_s, total_h, low_h, high_h, gpu_hours,
        gpu_memory_gb`` (needed), ``disk_gb_s`` (needed), ``limit`` (largest part of a step), ``time_limit`` (Slurm's),
        ``remarks``, ``recommended``: the fewest nodes that keep the deadline without a remark.
    """
    _check(patches, deadline_hours, epochs, train_share, stored, max_nodes)
    net = net or step_model.network()
    p = step_model.parameters(machine, net, patch_bytes=160_000 if stored == "native" else 346_000, **numbers)
    nodes = 2 ** np.arange(int(np.log2(max_nodes)) + 1)
    gpus = (nodes * p["gpus_per_node"]).astype(int)
    spread = 1 + p["rate_uncertainty"]
    times = {}
    for case, factor in (("likely", 1.0), ("low", 1 / spread), ("high", spread)):
        slower = p | {name: p[name] * factor for name in ("seconds_per_image", "overhead")}
        slower |= {name: p[name] / factor for name in ("filesystem", "reader")}
        trained = step_model.epoch(gpus, slower, patches * train_share)
        # validation is a forward pass; it waits for the same input
        validated = patches * (1 - train_share) / 2 / gpus * slower["seconds_per_image"] * p["forward_share"]
        read = patches * (1 - train_share) / 2 * p["patch_bytes"] / slower["filesystem"]
        times[case] = trained, (trained + np.maximum(validated, read)) * epochs + STARTUP_SECONDS
    epoch_s, total = times["likely"]
    memory = BYTES_PER_WEIGHT * net["weights"] + BYTES_PER_ACTIVATION * net["activations"] * p["batch"]
    table = pd.DataFrame(
        {
            "nodes": nodes,
            "gpus": gpus,
            "global_batch": (gpus * p["batch"]).astype(int),
            "epoch_s": epoch_s,
            "total_h": total / 3600,
            "low_h": times["low"][1] / 3600,
            "high_h": times["high"][1] / 3600,
            "gpu_hours": gpus * total / 3600,
            "gpu_memory_gb": memory / 1e9,
            "disk_gb_s": patches * train_share * p["patch_bytes"] / epoch_s / 1e9,
            "limit": step_model.step(gpus, p)["limit"],
            "time_limit": [_slurm(seconds * LIMIT_MARGIN) for seconds in times["high"][1]],
        }
    )
    table["remarks"] = [_remarks(row, memory, p, deadline_hours, patches * train_share) for row in table.itertuples()]
    table["recommended"] = (table["remarks"] == "") & (table["remarks"] == "").cumsum().eq(1)
    return table


def _remarks(row, memory, p, deadline_hours, images):
    found = []
    if row.high_h > deadline_hours:
        found.append("too late" if row.low_h > deadline_hours else "may be too late")
    if row.global_batch > STABLE_GLOBAL_BATCH:
        found.append(f"batch above {STABLE_GLOBAL_BATCH}: needs LARS")
    if memory > 0.9 * p["gpu_memory"]:
        found.append("batch too large for the GPU's memory")
    if row.global_batch > images:
        found.append("a batch is larger than the training split")
    return "; ".join(found)


def _slurm(seconds):
    """Slurm time limit D-HH:MM:SS, rounded up to ten minutes."""
    minutes = int(np.ceil(seconds / 600) * 10)
    days, minutes = divmod(minutes, 1440)
    return f"{days}-" * bool(days) + f"{minutes // 60:02d}:{minutes % 60:02d}:00"


def _check(patches, deadline_hours, epochs, train_share, stored, max_nodes):
    for name, value in {"patches": patches, "epochs": epochs, "max_nodes": max_nodes}.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name}: {value!r} must be a whole number, at least 1")
    if not deadline_hours > 0:
        raise InputError(f"deadline_hours: {deadline_hours} must be a positive number")
    if not 0 < train_share <= 1:
        raise InputError(f"train_share: {train_share} must lie between 0 and 1")
    if stored not in ("native", "super"):
        raise InputError(f'stored: {stored!r} must be "native" or "super"')
