"""Measure how training scales: short trainings on growing numbers of workers."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bigearth import machine
from bigearth.cluster import engines
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.training import recipe


def measure_scaling(
    counts: Sequence[int],
    launcher: str,
    batch_size: int,
    repeats: int = 1,
    seed: int = 1,
    *,
    workdir: Path | str,
    cube: Path | str,
    **training: Any,
) -> list[str]:
    """Train briefly on each number of workers, with a constant batch per worker and with a constant global batch.

    The second only where the number of workers divides that batch.

    Parameters
    ----------
    counts : sequence of int
        Numbers of workers; more than the cube has training patches are skipped.
    launcher : str
        See ``bigearth.cluster.engines.start``.
    batch_size : int
        Patches per worker; in the strong series that of the smallest count, divided.
    repeats : int
        Trainings of each kind, with seeds ``seed``, ``seed + 1`` ...; more than one are named ``-s1``, ``-s2`` ...
    workdir, cube : path
    **training
        Other parameters of ``bigearth.training.loop.train``.

    Returns
    -------
    list of str
        Names of the runs.

    Raises
    ------
    InputError
        A parameter cannot be used; nothing has been started then.
    """
    if repeats < 1:
        raise InputError(f"repeats: {repeats} must be at least 1")
    if not counts:
        return []
    training |= {"workdir": resolve(workdir), "cube": resolve(cube)}
    patches = len(open_cube(training["cube"]).rows["train"])
    usable = sorted(count for count in counts if count <= patches)
    for count in usable:
        recipe.check_parameters(**training, seed=seed, workers=count, batch_size=batch_size)

    names = []
    for count in usable:
        with engines.start(count, launcher, exact=False) as group:
            for batch in choose_batches(batch_size, count, usable[0]):
                for repeat in range(repeats):
                    name = f"scaling-w{count}-b{batch}"
                    if repeats > 1:
                        name += f"-s{repeat + 1}"
                    # a finished run would not be measured again
                    shutil.rmtree(training["workdir"] / "runs" / name, ignore_errors=True)
                    given = {"run": name, "batch_size": batch, "seed": seed + repeat}
                    group.run(train_on_share, share=usable[-1], **given, **training)
                    names.append(name)
    return names


def choose_batches(batch_size: int, workers: int, fewest: int) -> list[int]:
    """Batches per worker to measure: the given one, and the equal share of the smallest count's global batch.

    The share is left out where it is no whole number or no other batch.
    """
    share, rest = divmod(batch_size * fewest, workers)
    if rest or share == batch_size:
        return [batch_size]
    return [batch_size, share]


def train_on_share(share: int, **parameters: Any) -> dict[str, Any]:
    """Train on a worker; ``bigearth.training.loop`` is imported there: the notebook needs no TensorFlow.

    Without GPUs a worker keeps to the cores that it has when all ``share`` workers run: with all cores, one worker
    would be as fast as many, and nothing could be learnt.
    """
    if share > 1 and not machine.list_visible_gpus(machine.list_gpus()):
        cores = sorted(os.sched_getaffinity(0))
        # not of the cores that this worker may use: they are a share already where workers are bound to cores
        count = max(1, machine.count_all_cores() // share)
        os.sched_setaffinity(0, cores[:count])
    from bigearth.training import loop

    return loop.train(**parameters)
