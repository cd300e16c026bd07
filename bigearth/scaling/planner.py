"""What a full training would take on a machine: time, GPU hours, memory, disk bandwidth, nodes, Slurm time limit."""

import numpy as np
import pandas as pd

from bigearth.errors import InputError
from bigearth.scaling import step_model
from bigearth.training.recipe import STABLE_GLOBAL_BATCH


def plan(patches, machine, deadline_hours, epochs=100, stored="native", max_nodes=64, measured_rate=None, net=None,
         **numbers):  # fmt: skip
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
        What the site grants one job.
    measured_rate : float, optional
        Patches per second and GPU of an own training on this machine (``images_s`` over the workers of
        ``measurements.collect``), in place of the published rate; the overhead of a step is contained in it.
    net : dict, optional
        From ``step_model.network``.
    **numbers
        Override parameters of the step model: ``batch``, or ``train_share``, the part of the patches that is trained
        on (half of the others is validated on after each epoch).

    Returns
    -------
    DataFrame
        One row per number of nodes: ``nodes, gpus, global_batch, epoch_s, total_h, low_h, high_h, gpu_hours,
        gpu_memory_gb`` (needed), ``disk_gb_s`` (needed), ``limit`` (see ``step_model.step``), ``time_limit``
        (Slurm's), ``remarks``, ``recommended``: the fewest nodes that keep the deadline without a remark.
    """
    _check(patches, deadline_hours, epochs, max_nodes)
    net = net or step_model.network()
    if measured_rate is not None:
        if not 0 < measured_rate <= step_model.MOST["images_per_second"][0]:
            raise InputError(f"measured_rate: {measured_rate} is impossible; give the patches per second of one GPU")
        numbers = {"seconds_per_image": 1 / measured_rate, "overhead": 0.0} | numbers
    p = step_model.parameters(machine, net, stored, **numbers)
    nodes = np.unique([*2 ** np.arange(int(np.log2(max_nodes)) + 1), max_nodes])
    gpus = (nodes * p["gpus_per_node"]).astype(int)
    images, validation = patches * p["train_share"], patches * (1 - p["train_share"]) / 2
    spread = 1 + p["rate_uncertainty"]
    stretched = spread if measured_rate else max(spread, p["pipeline"])
    times = {}
    for case, factor in (("likely", 1.0), ("low", 1 / spread), ("high", stretched)):
        slower = p | {name: p[name] * factor for name in ("seconds_per_image", "overhead")}
        slower |= {name: p[name] / min(factor, spread) for name in ("filesystem", "reader")}
        trained = step_model.epoch(gpus, slower, images)
        # validation is a forward pass; it waits for the same input
        validated = validation / gpus * slower["seconds_per_image"] * p["forward_share"]
        read = validation * p["patch_bytes"] / slower["filesystem"]
        times[case] = trained, (trained + np.maximum(validated, read)) * epochs + p["startup"]
    epoch_s, total = times["likely"]
    memory = p["weight_bytes"] * net["weights"] + p["activation_bytes"] * net["activations"] * p["batch"]
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
            "disk_gb_s": images * p["patch_bytes"] / epoch_s / 1e9,
            "limit": step_model.step(gpus, p)["limit"],
            "time_limit": [_slurm(seconds * p["limit_margin"]) for seconds in times["high"][1]],
        }
    )
    table["remarks"] = [_remarks(row, memory, p, deadline_hours, images) for row in table.itertuples()]
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


def _check(patches, deadline_hours, epochs, max_nodes):
    for name, value in {"patches": patches, "epochs": epochs, "max_nodes": max_nodes}.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name}: {value!r} must be a whole number, at least 1")
    if not deadline_hours > 0:
        raise InputError(f"deadline_hours: {deadline_hours} must be a positive number")
