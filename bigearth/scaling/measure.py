"""Measuring the scaling of trainings over workers."""

import itertools
import os
import shutil
from pathlib import Path

from bigearth.cluster import engines
from bigearth.errors import InputError


def measure(counts, launcher, batch_size, repeats=1, seed=1, watch=None, **training):
    """Train briefly on each number of workers, with a constant batch per worker and with a constant global batch.

    The second only where the number of workers divides that batch.

    Parameters
    ----------
    counts : sequence of int
        Numbers of workers.
    launcher : str
        See ``bigearth.cluster.engines.start``.
    batch_size : int
        Per worker; of the strong series: that of the smallest count, divided.
    repeats : int
        Of each training, with seeds ``seed``, ``seed + 1`` ...; more than one are named ``-s1``, ``-s2`` ...
    **training
        Of ``bigearth.training.loop.train``.

    Returns
    -------
    list of str
        Names of the runs.
    """
    if repeats < 1:
        raise InputError(f"repeats: {repeats} must be at least 1")
    names, runs = [], Path(training["workdir"]) / "runs"
    for count in sorted(counts):
        share, rest = divmod(batch_size * min(counts), count)
        batches = [batch_size] if rest or share == batch_size else [batch_size, share]
        with engines.start(count, launcher, exact=False) as group:
            for batch, repeat in itertools.product(batches, range(repeats)):
                names.append(f"scaling-w{count}-b{batch}" + f"-s{repeat + 1}" * (repeats > 1))
                shutil.rmtree(runs / names[-1], ignore_errors=True)  # else a finished run would not be measured again
                given = {"run": names[-1], "batch_size": batch, "seed": seed + repeat}
                group.run(train, watch=watch, share=max(counts), **given, **training)
    return names


def train(share, **parameters):
    """``bigearth.training.loop.train``, imported where it runs, on a worker: the notebook needs no TensorFlow.

    Without GPUs a worker keeps to the share of the cores that it has among the most workers: with all of them one
    worker would be as fast as many, and nothing could be learnt.
    """
    if not shutil.which("nvidia-smi") and share > 1:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[: max(1, os.cpu_count() // share)])
    from bigearth.training import loop

    return loop.train(**parameters)
