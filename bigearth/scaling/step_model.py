"""Time of a data-parallel training step in closed form: compute, all-reduce, input, stragglers.

All quantities are in one flat dict of numbers, so that each assumption has a name, a unit and (in
``machines.csv``) a source. Seconds, bytes, bytes per second throughout.
"""

from importlib.resources import files

import numpy as np
import pandas as pd
from scipy import stats

from bigearth.errors import InputError

ALGORITHMS = ("best", "ring", "tree", "server")
POSITIVE = (
    "gpus_per_node gpu_memory images_per_second framework seconds_per_image batch link_inside link_between link_share "
    "fusion cycle filesystem reader gradient_bytes patch_bytes tensors buckets published_products "
    "native_bytes super_bytes weight_bytes activation_bytes limit_margin pipeline train_share"
).split()
NOT_NEGATIVE = tuple("latency_inside latency_between latency_call overhead noise rate_uncertainty startup".split())
# far above any hardware: a figure beyond is in the wrong unit
MOST = {
    **dict.fromkeys(("link_inside", "link_between", "filesystem"), (1e14, "bytes per second")),
    **dict.fromkeys(("latency_inside", "latency_between", "latency_call"), (0.01, "seconds")),
    "images_per_second": (1e6, "images per second of one GPU"),
    "overhead": (1, "seconds per step"),
    "noise": (1, "a deviation over its mean"),
    "rate_uncertainty": (3, "a share: 0.3 for 30 %"),
}


def table(name="machines.csv"):
    """Published and assumed figures, one per row, each with its unit, kind and source."""
    return pd.read_csv(files("bigearth.scaling") / name)


def network(bands=12, width=64, blocks=(3, 4, 6, 3), size=120, classes=43):
    """Size of the study's residual network, counted as ``bigearth.training.network`` builds it.

    Returns
    -------
    dict
        ``weights`` (trainable), ``tensors`` (trainable), ``products`` (multiply-adds of one forward pass of one patch),
        ``activations`` (elements that the convolutions of one patch put out).
    """
    weights = tensors = products = activations = 0

    def convolution(kernel, inputs, outputs, size):
        nonlocal weights, tensors, products, activations
        # kernel and bias, then batch normalisation's scale and offset
        weights += kernel**2 * inputs * outputs + 3 * outputs
        tensors += 4
        products += kernel**2 * inputs * outputs * size**2
        activations += outputs * size**2

    size = -(-size // 2)
    convolution(7, bands, width, size)
    size = -(-size // 2)
    inputs = width
    for stage, repeats in enumerate(blocks):
        inner = width * 2**stage
        for block in range(repeats):
            size = -(-size // 2) if stage and not block else size
            convolution(1, inputs, inner, size)
            convolution(3, inner, inner, size)
            convolution(1, inner, 4 * inner, size)
            if not block:
                convolution(1, inputs, 4 * inner, size)
            inputs = 4 * inner
    weights += inputs * classes + classes
    return {"weights": weights, "tensors": tensors + 2, "products": products, "activations": activations}


def parameters(machine, net=None, stored="native", batch=64, algorithm="best", **others):
    """All numbers of the model for one machine of the table.

    Parameters
    ----------
    machine : str
        Name in the table; its rows override those of ``any``.
    net : dict, optional
        From :func:`network`; the paper's network by default.
    stored : {"native", "super"}
        What is read of each patch, hence ``patch_bytes``: native bands or ``data_super``.
    batch : int
        Patches per worker and step.
    algorithm : {"best", "ring", "tree", "server"}
        How gradients are summed; "best" is the faster of ring and tree, as NCCL chooses.
    **others
        Override any number by name. Derived where not given: ``seconds_per_image`` (forward and backward, one worker)
        from the machine's published rate, ``buckets`` (all-reduce calls of a step) from Horovod's cycle and fusion and
        from the time of the backward pass: for another batch ask for the parameters again.

    Raises
    ------
    InputError
        Unknown machine or parameter, or a figure that no hardware can have.
    """
    rows = table()
    names = [name for name in rows["machine"].unique() if name != "any"]
    if machine not in names:
        raise InputError(f"machine: {machine!r} is not in bigearth/scaling/machines.csv; it has {', '.join(names)}")
    if stored not in ("native", "super"):
        raise InputError(f'stored: {stored!r} must be "native" or "super"')
    net = net or network()
    p = {row.parameter: row.value for which in ("any", machine) for row in rows[rows["machine"] == which].itertuples()}
    p |= {"batch": batch, "patch_bytes": p[f"{stored}_bytes"], "algorithm": algorithm, "tensors": net["tensors"]}
    p |= {"gradient_bytes": 4 * net["weights"], "seconds_per_image": None, "buckets": None}
    unknown = set(others) - set(p)
    if unknown:
        raise InputError(
            f"{', '.join(sorted(unknown))}: no such parameter of the step model; it has {', '.join(sorted(p))}"
        )
    p |= others
    if not p["images_per_second"] > 0:
        raise InputError(f"images_per_second: {p['images_per_second']} is impossible; it must be a positive number")
    if p["seconds_per_image"] is None:
        rate = p["images_per_second"] * p["framework"] * p["published_products"] / net["products"]
        p["seconds_per_image"] = 1 / rate
    if p["buckets"] is None:
        # what became ready in one cycle is summed in one call, up to the fusion limit
        backward = (1 - p["forward_share"]) * p["batch"] * p["seconds_per_image"]
        least = np.ceil(p["gradient_bytes"] / p["fusion"])
        p["buckets"] = int(np.clip(round(backward / p["cycle"]), least, max(p["tensors"], least)))
    return check(p)


def check(p):
    """Return ``p``; InputError where a figure is impossible."""
    for name in POSITIVE:
        if not (np.isfinite(p[name]) and p[name] > 0):
            raise InputError(f"{name}: {p[name]} is impossible; it must be a positive number")
    for name in NOT_NEGATIVE:
        if not (np.isfinite(p[name]) and p[name] >= 0):
            raise InputError(f"{name}: {p[name]} is impossible; it must be zero or more")
    if max(p["link_share"], p["train_share"]) > 1 or not 0 < p["forward_share"] < 1:
        raise InputError("link_share, train_share, forward_share: a share lies between 0 and 1")
    for name, (most, unit) in MOST.items():
        if p[name] > most:
            raise InputError(f"{name}: {p[name]:g} is impossible; give at most {most:g}, {unit}")
    if p["algorithm"] not in ALGORITHMS:
        raise InputError(f"algorithm: {p['algorithm']!r} is none of {', '.join(ALGORITHMS)}")
    return p


def allreduce(nbytes, workers, p):
    """Seconds of one sum of ``nbytes`` over ``workers`` (array-like).

    Ring: 2 (k - 1) hops, of which two for each node leave it (where there are several); each byte crosses the slowest
    link 2 (k - 1) / k times (Patarasuk and Yuan 2009). Tree: up and down again, latency with the logarithm of the nodes
    (as NCCL estimates both). Server: one node receives and sends every worker's gradients, the central architecture of
    the paper's section 2.2.
    """
    k = np.asarray(workers, float)
    nodes = np.ceil(k / p["gpus_per_node"])
    link = p["link_share"] * np.where(nodes > 1, min(p["link_inside"], p["link_between"]), p["link_inside"])
    inside, between = p["latency_inside"], np.where(nodes > 1, p["latency_between"], 0)
    hops = np.minimum(k, p["gpus_per_node"]) - 1
    far = np.where(nodes > 1, np.minimum(nodes, k - 1), 0)
    ring = 2 * (k - 1) / k * nbytes / link + 2 * ((k - 1 - far) * inside + far * between)
    tree = 2 * nbytes / link + 2 * (hops * inside + np.log2(nodes) * between)
    server = 2 * (k - 1) * nbytes / link + 2 * (inside + between)
    seconds = {"ring": ring, "tree": tree, "server": server, "best": np.minimum(ring, tree)}[p["algorithm"]]
    return np.where(k > 1, seconds + p["latency_call"], 0.0)


def latency(nbytes, workers, p):
    """What is left of `allreduce` without its bytes, by the algorithm that sums ``nbytes``."""
    if p["algorithm"] != "best":
        return allreduce(0, workers, p)
    ring, tree = p | {"algorithm": "ring"}, p | {"algorithm": "tree"}
    by_ring = allreduce(nbytes, workers, ring) <= allreduce(nbytes, workers, tree)
    return np.where(by_ring, allreduce(0, workers, ring), allreduce(0, workers, tree))


def expected_maximum(k):
    """Expected maximum of k independent standard normal numbers (k >= 1, array-like), by quadrature."""
    z = np.linspace(-9, 9, 2000)  # symmetric, without the jump at zero
    cdf = stats.norm.cdf(z) ** np.asarray(k, float)[..., None]
    return np.trapezoid((z > 0) - cdf, z, axis=-1)


def reading(workers, p):
    """Seconds until the next batch is there: from the shared file system, through each worker's reading thread."""
    return p["batch"] * p["patch_bytes"] * np.maximum(workers / p["filesystem"], 1 / p["reader"])


def step(workers, p):
    """Seconds of one step, and of its parts, on ``workers`` GPUs.

    The gradients leave in equal buckets that become ready evenly over the backward pass and are summed one after
    another: what is not hidden behind it is the longer of the last bucket, and of all of them less the backward pass.
    All wait for the slowest worker. Input is read ahead, so it counts only where it is slower than everything else.

    Returns
    -------
    DataFrame
        One row per entry of ``workers``: ``workers, compute, straggling, communication`` (all of it)``, exposed`` (not
        hidden)``, overhead, input`` (all of it)``, step, limit`` (what takes the most beside computing: stragglers,
        latency, bandwidth or overhead; input where all else waits for it; "compute" where there is nothing else).
    """
    k = np.atleast_1d(np.asarray(workers, float))
    m = p["buckets"]
    compute = p["batch"] * p["seconds_per_image"]
    slowest = 1 + p["noise"] * np.maximum(expected_maximum(k), 0)
    backward = (1 - p["forward_share"]) * compute * slowest
    bucket = allreduce(p["gradient_bytes"] / m, k, p)
    exposed = np.maximum(bucket, m * bucket - backward * (m - 1) / m)
    read = reading(k, p)
    busy = compute * slowest + exposed + p["overhead"]
    waited = np.minimum(exposed, m * latency(p["gradient_bytes"] / m, k, p))
    parts = pd.DataFrame(
        {
            "stragglers": compute * (slowest - 1),
            "latency": waited,
            "bandwidth": exposed - waited,
            "overhead": np.full(k.shape, p["overhead"]),
        }
    )
    largest = parts.idxmax(axis=1).where(parts.max(axis=1) > 0, "compute")
    return pd.DataFrame(
        {
            "workers": k.astype(int),
            "compute": compute,
            "straggling": parts["stragglers"],
            "communication": m * bucket,
            "exposed": exposed,
            "overhead": p["overhead"],
            "input": read,
            "step": np.maximum(busy, read),
            "limit": np.where(read > busy, "input", largest),
        }
    )


def epoch(workers, p, images):
    """Seconds of one training epoch over ``images`` patches, validation and start-up apart.

    Steps are not rounded to whole ones: the last batch may be dropped (as here) or filled.
    """
    return images / (np.atleast_1d(workers) * p["batch"]) * step(workers, p)["step"].to_numpy()
