"""Measure how training scales: short trainings on growing numbers of workers."""

import os
import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bigearth import machine
from bigearth.cluster import engines
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.files import resolve, set_aside
from bigearth.progress import Progress, read_note
from bigearth.training import records, start
from bigearth.training.recipe import Recipe

# what a training writes into its folder
RUN_FILE = re.compile(
    r"history\.csv|timings\.csv|provenance\.json|predictions\.h5|model\.keras|checkpoints|\.progress\.json|events\.out\..*|\..*\.partial.*"
)


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

    The global batch is kept constant only where the number of workers divides it.

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
        Other values of a ``bigearth.training.recipe.Recipe``.

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
    recipe = Recipe.from_options(batch_size=batch_size, seed=seed, **training)
    opened = open_cube(resolve(cube))
    patches = len(opened.rows["train"])
    usable = sorted(count for count in set(counts) if count <= patches)
    if not usable:
        raise InputError(f"measure: {cube} has {patches} training patches, too few for {min(counts)} workers")
    for count in usable:
        recipe.check(opened, count)

    folder = resolve(workdir) / "runs"
    planned = {count: list_measurements(recipe, count, usable[0], repeats) for count in usable}
    names: list[str] = []
    with Progress("measuring", sum(map(len, planned.values())), "training") as progress:
        for count, measurements in planned.items():
            progress.reach(len(names), note=f"{count} workers are started")
            with engines.start(count, launcher, exact=False) as group:
                for name, measured in measurements.items():
                    clear_earlier(folder / name)
                    group.run(
                        start.train,
                        watch=partial(show_measurement, progress, folder / name, len(names)),
                        run=name,
                        workdir=str(workdir),
                        cube=str(cube),
                        recipe=measured,
                        prepare=partial(keep_to_share, usable[-1]),
                    )
                    names.append(name)
        progress.reach(len(names))
    return names


def list_measurements(recipe: Recipe, workers: int, fewest: int, repeats: int) -> dict[str, Recipe]:
    """List the trainings on one number of workers: name of the run to its recipe."""
    measurements = {}
    for batch in choose_batches(recipe.batch_size, workers, fewest):
        for repeat in range(repeats):
            name = f"scaling-w{workers}-b{batch}"
            if repeats > 1:
                name += f"-s{repeat + 1}"
            measurements[name] = recipe.replace(batch_size=batch, seed=recipe.seed + repeat)
    return measurements


def show_measurement(progress: Progress, run: Path, finished: int) -> None:
    """Show which measurement runs, and how far it is."""
    note = read_note(run / records.NOTE) or {"stage": "the workers load TensorFlow"}
    progress.reach(finished, note=f"{run.name}: {note['stage']}")


def choose_batches(batch_size: int, workers: int, fewest: int) -> list[int]:
    """Batches per worker to measure: the given one, and the equal share of the smallest count's global batch.

    The share is left out if it is not a whole number, or equals the given batch.
    """
    share, rest = divmod(batch_size * fewest, workers)
    if rest or share == batch_size:
        return [batch_size]
    return [batch_size, share]


def clear_earlier(run: Path) -> None:
    """Remove an earlier measurement: a finished run would not be measured again.

    A folder that holds anything else than a training writes is renamed instead, and a link is never followed.
    """
    if not os.path.lexists(run):
        return
    is_own_folder = run.is_dir() and not run.is_symlink()
    if is_own_folder and all(RUN_FILE.fullmatch(path.name) for path in run.iterdir()):
        shutil.rmtree(run)
    else:
        set_aside(run)


def keep_to_share(workers: int, run_folder: Path) -> None:
    """Keep a worker without a GPU to the cores that it has when all ``workers`` run; called before its training.

    With all cores, one worker would be as fast as many, and nothing could be learnt.
    """
    if workers > 1 and not machine.list_visible_gpus(machine.list_gpus()):
        cores = sorted(os.sched_getaffinity(0))
        # not of the cores that this worker may use: they are a share already where workers are bound to cores
        count = max(1, machine.count_all_cores() // workers)
        os.sched_setaffinity(0, cores[:count])
