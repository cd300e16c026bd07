"""The figures of the step model for each machine: read from ``machines.csv``, completed and checked.

All figures of one machine are in one flat dict, so that each assumption has a name, a unit and a source. Seconds,
bytes, bytes per second throughout.
"""

import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pandas as pd

from bigearth.errors import InputError
from bigearth.parameters import convert, suggest
from bigearth.scaling.network_size import NetworkSize, count_network

ALGORITHMS = ("best", "ring", "tree", "server")
STORED = ("native", "super")
MUST_BE_POSITIVE = (
    "gpus_per_node",
    "gpu_memory",
    "images_per_second",
    "framework",
    "seconds_per_image",
    "batch",
    "link_inside",
    "link_between",
    "link_share",
    "fusion",
    "cycle",
    "filesystem",
    "reader",
    "gradient_bytes",
    "patch_bytes",
    "tensors",
    "buckets",
    "published_products",
    "native_bytes",
    "super_bytes",
    "weight_bytes",
    "activation_bytes",
    "limit_margin",
    "pipeline",
    "train_share",
    "forward_share",
)
MUST_NOT_BE_NEGATIVE = (
    "latency_inside",
    "latency_between",
    "latency_call",
    "overhead",
    "noise",
    "rate_uncertainty",
    "startup",
)
SHARES = ("link_share", "train_share", "forward_share")
# far above any hardware: a figure beyond its limit is in the wrong unit
UPPER_LIMITS = {
    "link_inside": (1e14, "bytes per second"),
    "link_between": (1e14, "bytes per second"),
    "filesystem": (1e14, "bytes per second"),
    "latency_inside": (0.01, "seconds"),
    "latency_between": (0.01, "seconds"),
    "latency_call": (0.01, "seconds"),
    "images_per_second": (1e6, "images per second of one GPU"),
    "overhead": (1, "seconds per step"),
    "noise": (1, "a deviation over its mean"),
    "rate_uncertainty": (3, "a share: 0.3 for 30 %"),
}


def read_figures(name: str = "machines.csv") -> pd.DataFrame:
    """Read a table of published, measured, derived and assumed figures, each with unit, kind and source."""
    return pd.read_csv(files("bigearth.scaling") / name)


def list_machines() -> list[str]:
    """Names of the machines in ``machines.csv``; the rows of "any" hold for all of them."""
    names = read_figures()["machine"].unique()
    return [name for name in names if name != "any"]


def describe_machine(
    machine: str,
    network: NetworkSize | None = None,
    stored: str = "native",
    batch: float = 64,
    algorithm: str = "best",
    **figures: Any,
) -> dict[str, Any]:
    """All figures of the step model for one machine.

    Parameters
    ----------
    machine : str
        Name in ``machines.csv``; its rows override those of "any".
    network : NetworkSize, optional
        The paper's network by default.
    stored : {"native", "super"}
        What is read of each patch, hence ``patch_bytes``: native bands or ``data_super``.
    batch : float
        Patches per worker and step.
    algorithm : {"best", "ring", "tree", "server"}
        How gradients are summed; "best" is the faster of ring and tree, as NCCL chooses.
    **figures
        Override any figure by name. Two are derived where not given: ``seconds_per_image`` (forward and backward, one
        worker) from the machine's published rate, and ``buckets`` (all-reduce calls per step) from Horovod's cycle and
        fusion and the time of the backward pass. So describe the machine again for another batch.

    Raises
    ------
    InputError
        Unknown machine or figure, or a value that no hardware can have.
    """
    require_choice("machine", machine, list_machines())
    require_choice("stored", stored, STORED)
    network = network or count_network()

    # the table: general rows first, then those of the machine
    rows = read_figures()
    p: dict[str, Any] = {}
    for owner in ("any", machine):
        of_owner = rows[rows["machine"] == owner]
        p.update(zip(of_owner["parameter"], of_owner["value"], strict=True))

    # what the training adds
    p["batch"] = require_number("batch", batch)
    p["algorithm"] = algorithm
    p["patch_bytes"] = p[f"{stored}_bytes"]
    p["tensors"] = network.tensors
    p["gradient_bytes"] = 4 * network.weights

    # what the caller overrides
    known = [*p, "seconds_per_image", "buckets"]
    for name, value in figures.items():
        require_choice("figure of the step model", name, known)
        p[name] = require_number(name, value)

    # what follows from the rest
    if "seconds_per_image" not in p:
        check_figures(p)
        rate = p["images_per_second"] * p["framework"] * p["published_products"] / network.products
        p["seconds_per_image"] = 1 / rate
    if "buckets" not in p:
        check_figures(p)
        p["buckets"] = count_buckets(p)
    check_figures(p)
    return p


def count_buckets(p: dict[str, Any]) -> int:
    """All-reduce calls per step: one sums what became ready within one cycle, up to Horovod's fusion limit."""
    backward = (1 - p["forward_share"]) * p["batch"] * p["seconds_per_image"]
    fewest = math.ceil(p["gradient_bytes"] / p["fusion"])
    most = max(p["tensors"], fewest)
    cycles = round(backward / p["cycle"])
    return int(min(max(cycles, fewest), most))


def check_figures(p: dict[str, Any]) -> None:
    """Raise InputError if a figure is no number, or is one that no hardware can have."""
    for name in MUST_BE_POSITIVE:
        if name in p and require_number(name, p[name]) <= 0:
            raise InputError(f"{name}: {p[name]} is impossible; it must be a positive number")
    for name in MUST_NOT_BE_NEGATIVE:
        if require_number(name, p[name]) < 0:
            raise InputError(f"{name}: {p[name]} is impossible; it must be zero or more")
    for name in SHARES:
        if p[name] > 1:
            raise InputError(f"{name}: {p[name]} is impossible; a share lies between 0 and 1")
    if p["forward_share"] == 1:
        raise InputError("forward_share: 1 is impossible; the backward pass takes a share of the step too")
    for name, (limit, unit) in UPPER_LIMITS.items():
        if p[name] > limit:
            raise InputError(f"{name}: {p[name]:g} is impossible; give at most {limit:g}, {unit}")
    require_choice("algorithm", p["algorithm"], ALGORITHMS)


def require_number(name: str, value: Any) -> float:
    """Convert a value to a finite number; raise InputError where it is none (True is none)."""
    number = convert(name, value, float)
    if not math.isfinite(number):
        raise InputError(f"{name}: {value!r} is impossible; give a finite number")
    return number


def require_choice(what: str, value: Any, choices: Sequence[str]) -> None:
    """Raise InputError unless ``value`` is one of the choices; the message names the nearest one, and all of them."""
    if isinstance(value, str) and value in choices:
        return
    raise InputError(f"{what}: {value!r} is unknown; {suggest(value, choices)} Give one of {', '.join(choices)}")
