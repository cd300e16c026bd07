"""Time of a data-parallel training step in closed form: compute, all-reduce, input, stragglers.

The figures ``p`` of a machine come from ``bigearth.scaling.machines.describe_machine``. Seconds and bytes throughout.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

Figures = dict[str, Any]


def time_allreduce(nbytes: float, workers: ArrayLike, p: Figures) -> np.ndarray:
    """Seconds of one sum of ``nbytes`` over ``workers``.

    Ring: 2 (k - 1) hops, of which two per node leave it (where there are several); each byte crosses the slowest link
    2 (k - 1) / k times (Patarasuk and Yuan 2009). Tree: up and down again, latency with the logarithm of the nodes (as
    NCCL estimates both). Server: one node receives and sends every worker's gradients, the central architecture of the
    paper's section 2.2.

    Parameters
    ----------
    nbytes : float
    workers : int or array of int
    p : dict
        Figures of the machine; ``p["algorithm"]`` chooses the way.

    Returns
    -------
    float array of the shape of ``workers``
        0 for one worker.
    """
    k = np.asarray(workers, float)
    ways = {
        "ring": _time_ring(nbytes, k, p),
        "tree": _time_tree(nbytes, k, p),
        "server": _time_server(nbytes, k, p),
    }
    ways["best"] = np.minimum(ways["ring"], ways["tree"])
    return np.where(k > 1, ways[p["algorithm"]] + p["latency_call"], 0.0)


def _count_nodes(k: np.ndarray, p: Figures) -> np.ndarray:
    return np.ceil(k / p["gpus_per_node"])


def _find_bandwidth(k: np.ndarray, p: Figures) -> np.ndarray:
    """Bytes per second of the slowest link in use."""
    slowest = min(p["link_inside"], p["link_between"])
    return p["link_share"] * np.where(_count_nodes(k, p) > 1, slowest, p["link_inside"])


def _time_ring(nbytes: float, k: np.ndarray, p: Figures) -> np.ndarray:
    nodes = _count_nodes(k, p)
    hops_between = np.where(nodes > 1, np.minimum(nodes, k - 1), 0)
    hops_inside = k - 1 - hops_between
    waiting = 2 * (hops_inside * p["latency_inside"] + hops_between * p["latency_between"])
    return 2 * (k - 1) / k * nbytes / _find_bandwidth(k, p) + waiting


def _time_tree(nbytes: float, k: np.ndarray, p: Figures) -> np.ndarray:
    nodes = _count_nodes(k, p)
    hops_inside = np.minimum(k, p["gpus_per_node"]) - 1
    hops_between = np.log2(nodes)
    waiting = 2 * (hops_inside * p["latency_inside"] + hops_between * p["latency_between"])
    return 2 * nbytes / _find_bandwidth(k, p) + waiting


def _time_server(nbytes: float, k: np.ndarray, p: Figures) -> np.ndarray:
    between = np.where(_count_nodes(k, p) > 1, p["latency_between"], 0)
    return 2 * (k - 1) * nbytes / _find_bandwidth(k, p) + 2 * (p["latency_inside"] + between)


def time_latency(nbytes: float, workers: ArrayLike, p: Figures) -> np.ndarray:
    """The part of `time_allreduce` that does not depend on the bytes, by the algorithm that sums ``nbytes``."""
    if p["algorithm"] != "best":
        return time_allreduce(0, workers, p)
    ring = p | {"algorithm": "ring"}
    tree = p | {"algorithm": "tree"}
    ring_wins = time_allreduce(nbytes, workers, ring) <= time_allreduce(nbytes, workers, tree)
    return np.where(ring_wins, time_allreduce(0, workers, ring), time_allreduce(0, workers, tree))


def expected_maximum(k: ArrayLike) -> np.ndarray:
    """Expected maximum of k independent standard normal numbers (k >= 1), by quadrature."""
    # symmetric, without the jump at zero
    z = np.linspace(-9, 9, 2000)
    distribution = stats.norm.cdf(z) ** np.asarray(k, float)[..., None]
    return np.trapezoid((z > 0) - distribution, z, axis=-1)


def time_reading(workers: ArrayLike, p: Figures) -> np.ndarray:
    """Seconds until the next batch is read: from the shared file system, through each worker's reading thread."""
    per_byte = np.maximum(np.asarray(workers, float) / p["filesystem"], 1 / p["reader"])
    return p["batch"] * p["patch_bytes"] * per_byte


def time_step(workers: ArrayLike, p: Figures) -> pd.DataFrame:
    """Seconds of one step, and of its parts, on ``workers`` GPUs.

    The gradients leave in equal buckets that become ready evenly over the backward pass and are summed one after
    another: what is not hidden behind it is the longer of the last bucket, and of all of them less the backward pass.
    All wait for the slowest worker. Input is read ahead, so it counts only where it is slower than everything else.

    Returns
    -------
    DataFrame
        One row per entry of ``workers``: ``workers, compute, straggling, communication`` (all of it), ``exposed`` (not
        hidden), ``overhead, input`` (all of it), ``step, limit``. The limit is the largest part beside computing:
        stragglers, latency, bandwidth or overhead; "input" where all else waits for it; "compute" where there is
        nothing else.
    """
    k = np.atleast_1d(np.asarray(workers, float))
    buckets = p["buckets"]

    # computing: all wait for the slowest
    compute = p["batch"] * p["seconds_per_image"]
    slowest = 1 + p["noise"] * np.maximum(expected_maximum(k), 0)
    backward = (1 - p["forward_share"]) * compute * slowest

    # communication that the backward pass does not hide
    bucket = time_allreduce(p["gradient_bytes"] / buckets, k, p)
    communication = buckets * bucket
    exposed = np.maximum(bucket, communication - backward * (buckets - 1) / buckets)
    latency = np.minimum(exposed, buckets * time_latency(p["gradient_bytes"] / buckets, k, p))

    # the whole, or the reading of the next batch where that takes longer
    busy = compute * slowest + exposed + p["overhead"]
    read = time_reading(k, p)

    parts = pd.DataFrame(
        {
            "stragglers": compute * (slowest - 1),
            "latency": latency,
            "bandwidth": exposed - latency,
            "overhead": np.full(k.shape, p["overhead"]),
        }
    )
    largest = parts.idxmax(axis=1).where(parts.max(axis=1) > 0, "compute")
    return pd.DataFrame(
        {
            "workers": k.astype(int),
            "compute": compute,
            "straggling": parts["stragglers"],
            "communication": communication,
            "exposed": exposed,
            "overhead": p["overhead"],
            "input": read,
            "step": np.maximum(busy, read),
            "limit": np.where(read > busy, "input", largest),
        }
    )


def time_epoch(workers: ArrayLike, p: Figures, images: float) -> np.ndarray:
    """Seconds of one training epoch over ``images`` patches, without validation and start-up.

    Steps are not rounded to whole ones: the last batch may be dropped (as here) or filled.
    """
    steps = images / (np.atleast_1d(workers) * p["batch"])
    return steps * time_step(workers, p)["step"].to_numpy()
