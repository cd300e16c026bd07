"""A training step over k workers, played through many times, to test the closed form of ``step_model``."""

import numpy as np
import pandas as pd

from bigearth.errors import InputError
from bigearth.scaling.step_model import time_allreduce, time_reading

TAILS = {
    "normal": lambda rng, shape: rng.standard_normal(shape, np.float32),
    # same mean and deviation, but now and then a worker stalls
    "exponential": lambda rng, shape: rng.standard_exponential(shape, np.float32) - 1,
}


def simulate_steps(workers, steps, p, seed=0, tail="normal", per_bucket=False):
    """Play ``steps`` synchronous steps of ``workers`` workers.

    Every worker computes for a random time; its gradients become ready bucket by bucket during its backward pass;
    bucket i is summed when the last worker has it ready and bucket i - 1 is done; all begin the next step together.

    Parameters
    ----------
    workers, steps : int
    p : dict
        From `bigearth.scaling.machines.describe_machine`; ``noise`` is the standard deviation of a step's compute
        time over its mean.
    seed : int
    tail : {"normal", "exponential"}
        Distribution of the noise. The closed form assumes the first.
    per_bucket : bool
        False: a worker is slow for a whole step, as the closed form assumes. True: its buckets' noise is independent.

    Returns
    -------
    DataFrame
        One row per step: ``compute`` (mean over the workers), ``slowest, exposed, step`` in seconds.
    """
    if workers < 1 or steps < 1:
        raise InputError("workers, steps: simulate at least one of each")
    if tail not in TAILS:
        raise InputError(f"tail: {tail!r} is none of {', '.join(TAILS)}")
    rng = np.random.default_rng(seed)
    m = p["buckets"]
    compute = p["batch"] * p["seconds_per_image"]
    forward, part = p["forward_share"] * compute, (1 - p["forward_share"]) * compute / m
    bucket = float(time_allreduce(p["gradient_bytes"] / m, workers, p))
    draw = TAILS[tail]
    speed = 1 + p["noise"] * draw(rng, (steps, workers))
    ready = forward * speed
    # the forward pass and the m buckets share the variance of one step
    scale = p["noise"] * np.sqrt((compute**2 - forward**2) / m) / part if per_bucket else 0.0
    done = np.zeros(steps)
    for _ in range(m):
        ready = ready + part * (1 + scale * draw(rng, (steps, workers)) if per_bucket else speed)
        done = np.maximum(done, ready.max(axis=1)) + bucket
    slowest = ready.max(axis=1)
    read = float(time_reading(workers, p))
    return pd.DataFrame(
        {
            "compute": ready.mean(axis=1),
            "slowest": slowest,
            "exposed": done - slowest,
            "step": np.maximum(done + p["overhead"], read),
        }
    )
