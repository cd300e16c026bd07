"""From a finished run and a scene to a map: every MPI rank classifies its rows, rank 0 writes the files.

A map that was interrupted goes on where it stopped when it is started again with the same parameters; a finished one is
kept.
"""

import functools
import hashlib
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from bigearth.errors import InputError
from bigearth.files import locked, resolve
from bigearth.mapping.grid import Grid, make_grid
from bigearth.mapping.outputs import PROVENANCE, remove_unfinished, write_outputs
from bigearth.mapping.scene import Scene, name_product, open_scene
from bigearth.mapping.store import LOCK, PLAN, Store, count_written, is_begun, write_plan
from bigearth.mapping.trained import TrainedRun, read_run
from bigearth.mpi import communicator, on_first_rank, rank_and_size, together
from bigearth.outside import read_json
from bigearth.parameters import convert
from bigearth.upsampling.datasets import load_networks
from bigearth.upsampling.super_resolved import SuperResolved, count_strips, super_resolve_share

SUPER_RESOLVED = "scene/super"  # folder of the scene at 10 m, in that of the unfinished map


@dataclass(frozen=True)
class Work:
    """Description of a map from which every rank works; ``written`` and ``strips`` are what an interrupted run left."""

    folder: Path
    partial: Path
    plan: dict[str, Any]
    run: TrainedRun
    scene: Scene
    grid: Grid
    written: set[tuple[int, int]]
    super_resolved: SuperResolved | None
    strips: set[int]
    weights: str | Path

    @property
    def store(self) -> Store:
        return Store(self.partial, (len(self.grid.rows), len(self.grid.columns), len(self.run.labels)))


def find_map(product: Path, run: Path, results: Path) -> Path:
    """Folder of the map that a run makes of a product: ``<results>/<product>-<run>``."""
    return results / f"{name_product(product)}-{run.name}"


def find_partial(folder: Path) -> Path:
    """Folder that holds a map while it is written."""
    return folder.with_name(folder.name + ".partial")


def measure_progress(product: Path, run: Path, results: Path) -> tuple[str, int, int]:
    """Measure how far a map is.

    Returns
    -------
    str, int, int
        What is counted: "strip" of the scene's super-resolution, then "patch"; how many are done; and how many there
        are in all, 0 before the map is begun and after its end.
    """
    partial = find_partial(find_map(product, run, results))
    done, total = count_strips(partial / SUPER_RESOLVED)
    if done < total:
        return "strip", done, total
    try:
        rows, columns = json.loads((partial / PLAN).read_text())["windows"]
        return "patch", count_written(partial), rows * columns
    except (OSError, ValueError, KeyError, TypeError):
        return "patch", 0, 0


def write_map(
    *,
    run: str | Path,
    product: str | Path,
    results: str | Path,
    stride: int = 1200,
    threshold: float | None = None,
    offset: int | None = None,
    masked_from: float = 0.5,
    weights: str | Path = "",
) -> dict[str, Any]:
    """Map a scene; call it on every MPI rank with the same parameters, or without MPI.

    Parameters
    ----------
    run : path
        Folder of a finished run.
    product : path
        A Sentinel-2 L2A product (SAFE folder or .zip), or a folder of twelve GeoTIFFs.
    results : path
        Receives the folder ``<product>-<run>`` with ``scores.tif``, ``patches.gpkg``, ``map.html``, ``areas.csv``,
        ``true_colour.jpg`` and ``provenance.json``.
    stride : int
        From one patch to the next, in m: 60 to 1200, a multiple of 60.
    threshold : float, optional
        Score from which a label is given; default: per label, from the run's validation split.
    offset : int, optional
        Radiometric offset of a folder of GeoTIFFs whose name has no processing baseline, digital numbers.
    masked_from : float
        Share of cloud, shadow, snow and missing pixels from which a patch gets no score.
    weights : path
        Folder of DSen2's networks, for runs that were trained on its bands.

    Returns
    -------
    dict
        rank, ranks, folder, windows (of this rank), seconds (to classify them, from the loaded network on).

    Raises
    ------
    InputError
        A parameter or file cannot be used; the map exists with other parameters.
    """
    comm = communicator()
    rank, size = rank_and_size(comm)
    gdal.SetConfigOption("GDAL_NUM_THREADS", "1")  # the ranks are the parallelism
    started = time.time()
    run, product, results = resolve(run), resolve(product), resolve(results)
    folder = find_map(product, run, results)
    chosen = {
        "stride": convert("stride", stride, int),
        "threshold": convert("threshold", threshold, float | None),
        "offset": convert("offset", offset, int | None),
        "masked_from": convert("masked_from", masked_from, float),
    }
    with ExitStack() as stack:
        work = on_first_rank(comm, _prepare, stack, folder, run, product, chosen, weights)
        if work is None:
            return {"rank": rank, "ranks": size, "folder": str(folder), "windows": 0, "seconds": 0.0}
        together(comm, _super_resolve_share, work, rank, size)
        windows, seconds = together(comm, _classify_share, work, rank, size)
        on_first_rank(comm, _finish, work, started, size)
    return {"rank": rank, "ranks": size, "folder": str(folder), "windows": windows, "seconds": seconds}


def _prepare(
    stack: ExitStack, folder: Path, run_folder: Path, product: Path, chosen: dict[str, Any], weights: str | Path
) -> Work | None:
    """Check everything, and create the unfinished map or find it begun; None where the finished map is there."""
    run = read_run(run_folder, chosen["threshold"])
    if not 0 < chosen["masked_from"] <= 1:
        raise InputError(f"masked_from {chosen['masked_from']:g} is no share: give a number above 0, 1 at most")
    partial = find_partial(folder)
    if partial.exists() and not partial.is_dir():
        raise InputError(f"{partial} exists and is no unfinished map: choose another folder for results")
    stack.enter_context(locked(partial / LOCK, f"map {folder}"))
    try:
        networks = load_networks(run.upsampling, weights)
        scene = open_scene(product, partial / "scene", chosen["offset"])
        grid = make_grid(scene.width, scene.height, chosen["stride"])
        plan = _describe(run, scene, grid, chosen, networks)
        finished = _is_finished(folder, plan)
    except InputError:
        if not (partial / PLAN).exists():
            remove_unfinished(partial)
        raise
    if finished:
        remove_unfinished(partial)
        return None
    shape = (len(grid.rows), len(grid.columns), len(run.labels))
    store = Store(partial, shape)
    super_resolved = None
    if networks:
        super_resolved = SuperResolved(partial / SUPER_RESOLVED, scene.height // 10, scene.width // 10)
    written, strips = set(), set()
    if is_begun(partial, plan, shape):
        written = store.find_written()
        if super_resolved and super_resolved.is_begun():
            strips = super_resolved.find_written()
    else:
        store.create()
        if super_resolved:
            super_resolved.create()  # also where there is one, of other networks or another offset
        write_plan(partial, plan)
    return Work(folder, partial, plan, run, scene, grid, written, super_resolved, strips, weights)


def _describe(
    run: TrainedRun, scene: Scene, grid: Grid, chosen: dict[str, Any], networks: dict[int, Any] | None
) -> dict[str, Any]:
    """Describe the origin and making of a map as JSON has it: two maps with the same description are the same."""
    return {
        "run": run.name,
        "network": run.fingerprint(),
        "super-resolution": _fingerprint(networks) if networks else None,
        "product": scene.name,
        "content": scene.fingerprint(),
        "epsg": scene.place.epsg,
        "corner": [scene.place.x, scene.place.y],
        "offset": scene.tile.offset,
        "windows": [len(grid.rows), len(grid.columns)],
        "stride": chosen["stride"],
        "masked_from": chosen["masked_from"],
        "thresholds": [float(value) for value in run.thresholds],
    }


def _fingerprint(networks: dict[int, Any]) -> str:
    """SHA-256 of the weights of DSen2's networks."""
    digest = hashlib.sha256()
    for metres in sorted(networks):
        for array in networks[metres].get_weights():
            digest.update(array.tobytes())
    return digest.hexdigest()


def _is_finished(folder: Path, plan: dict[str, Any]) -> bool:
    """Whether the map is there; InputError if the folder holds another one, or something else."""
    if not folder.exists():
        return False
    if not (folder / PROVENANCE).is_file():
        raise InputError(f"{folder} exists and is no map of this study: choose another folder for results")
    earlier = read_json(folder / PROVENANCE, "provenance", "choose another folder for results").get("plan", {})
    changed = [name for name in plan if earlier.get(name) != plan[name]]
    if "stride" in changed:
        changed = [name for name in changed if name != "windows"]  # that follows from it
    if changed:
        shown = []
        for name in changed:
            before, now = earlier.get(name), plan[name]
            short = all(isinstance(value, int | float | str) and len(str(value)) < 20 for value in (before, now))
            shown.append(f"{name} = {before}, now {now}" if short else f"another {name}")
        raise InputError(f"map {folder} exists with {'; '.join(shown)}: choose another folder for results")
    return True


def _super_resolve_share(work: Work, rank: int, size: int) -> None:
    """Bring this rank's share of the scene to 10 m, for a run on DSen2's bands."""
    if work.super_resolved:
        load = functools.partial(load_networks, "dsen2", work.weights)
        super_resolve_share(work.scene.tile, work.super_resolved, work.strips, load, rank, size)


def _classify_share(work: Work, rank: int, size: int) -> tuple[int, float]:
    """Classify this rank's rows of windows; returns how many windows that were, and the seconds without start-up."""
    rows = np.array_split(np.arange(len(work.grid.rows)), size)[rank]
    from bigearth.mapping.classify import classify_pieces, list_pieces  # TensorFlow takes seconds to load
    from bigearth.training.classify import load_model

    pieces = []
    for row, columns in list_pieces(work.grid, rows):
        if (row, int(columns[0])) not in work.written:
            pieces.append((row, columns))
    if not pieces:
        return 0, 0.0
    model = load_model(work.run.folder)
    began = time.perf_counter()
    windows = classify_pieces(
        model,
        work.scene,
        work.grid,
        work.store,
        rank,
        pieces,
        work.run.upsampling,
        work.plan["masked_from"],
        work.super_resolved,
    )
    return windows, time.perf_counter() - began


def _finish(work: Work, started: float, ranks: int) -> None:
    """Write the map's files, and give their folder its name."""
    ready = work.partial / "map"
    ready.mkdir(exist_ok=True)
    write_outputs(ready, work.scene, work.run, work.grid, work.store, work.plan, started, ranks)
    ready.rename(work.folder)
    remove_unfinished(work.partial)
