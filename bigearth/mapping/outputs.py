"""The files of a finished map: raster, squares, page, areas, the scene's image and provenance."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from osgeo import gdal
from PIL import Image

from bigearth import provenance
from bigearth.errors import InputError
from bigearth.files import write_whole
from bigearth.mapping import raster, vector, webpage
from bigearth.mapping.areas import measure_areas
from bigearth.mapping.grid import CELL_METRES, Grid, average_windows
from bigearth.mapping.reading import read_true_colour
from bigearth.mapping.scene import Scene
from bigearth.mapping.store import OWN_NAMES, Store, is_journal
from bigearth.mapping.trained import TrainedRun
from bigearth.outside import check_types, read_json
from bigearth.tables import read_csv

RASTER, SQUARES, HTML, IMAGE, AREAS = "scores.tif", "patches.gpkg", "map.html", "true_colour.jpg", "areas.csv"
PROVENANCE = "provenance.json"
IMAGE_PIXELS = 1100  # longer side of the scene's image


@dataclass(frozen=True)
class Map:
    """A finished map, read for figures.

    Attributes
    ----------
    folder : Path
    image : (h, w, 3) uint8 array
        The scene in true colour.
    scores : (labels, rows, columns) float32 array
        NaN where masked.
    areas : DataFrame [label, threshold, km2, share]
    plan : dict
    thresholds : str
        Where the thresholds come from.
    windows : dict
        How many there are in ``all``, and how many are ``masked``.
    is_miniature : bool
        Whether the run was trained on the miniature.
    """

    folder: Path
    image: np.ndarray
    scores: np.ndarray
    areas: pd.DataFrame
    plan: dict[str, Any]
    thresholds: str
    windows: dict[str, int]
    is_miniature: bool


def write_outputs(
    ready: Path,
    scene: Scene,
    run: TrainedRun,
    grid: Grid,
    store: Store,
    plan: dict[str, Any],
    started: float,
    ranks: int,
) -> None:
    """Write all files of a map from the scores of its windows.

    Parameters
    ----------
    ready : Path
        Folder to write into.
    scene, run, grid, store
    plan : dict
        What the map is made of; kept in its provenance.
    started : float
        Seconds since the epoch.
    ranks : int
    """
    scores, masked = store.scores(), store.masked()
    about = {"run": run.name, "product": scene.name, "thresholds": run.chosen}
    layout = raster.Layout(scene.place, grid.pixel * CELL_METRES, grid.shape, run.labels)
    raster.write_raster(ready / RASTER, layout, average_windows(scores, grid), about)
    squares = vector.list_squares(scores, masked, grid)
    vector.write_squares(ready / SQUARES, scene.place, run.labels, run.thresholds, squares)
    areas = measure_areas(average_windows(scores, grid), run.labels, run.thresholds, grid.pixel * CELL_METRES)
    with write_whole(ready / AREAS) as part:
        areas.to_csv(part, index=False)
    with write_whole(ready / IMAGE) as part:
        Image.fromarray(read_true_colour(scene, IMAGE_PIXELS)).save(part, quality=85)
    webpage.write_page(ready / HTML, scene, run, grid, areas, ready / RASTER, ready / IMAGE)
    parameters = {"run": run.folder, "product": scene.name, "stride": plan["stride"]}
    record = provenance.collect(parameters, started, workers=ranks)
    record["plan"] = plan
    record["thresholds"] = run.chosen
    record["miniature"] = run.is_miniature
    record["windows"] = {"all": int(masked.size), "masked": int(np.isnan(scores[..., 0]).sum())}
    provenance.write(ready, record)


def read_map(folder: Path) -> Map:
    """Read a finished map.

    Raises
    ------
    InputError
        The folder holds no map, or a damaged one.
    """
    remedy = "map the scene again into another folder"
    record = read_json(folder / PROVENANCE, "provenance", remedy)
    expected = {"plan": dict, "thresholds": str, "windows": dict[str, int], "miniature": bool}
    check_types(record, expected, f"provenance {folder / PROVENANCE}", remedy)
    columns = {"label": str, "threshold": float, "km2": float, "share": float}
    areas = read_csv(folder / AREAS, columns, "areas")
    try:
        dataset = gdal.Open(str(folder / RASTER))
        scores = raster.decode_scores(dataset.ReadAsArray())
        with Image.open(folder / IMAGE) as opened:
            image = np.asarray(opened)
    except (RuntimeError, OSError) as error:
        raise InputError(f"map {folder} is damaged ({str(error).splitlines()[0]}): {remedy}") from None
    return Map(
        folder, image, scores, areas, record["plan"], record["thresholds"], record["windows"], record["miniature"]
    )


def remove_unfinished(partial: Path) -> None:
    """Remove what a map wrote beside its files; what others put there stays, and the folder with it."""
    for item in partial.iterdir():
        if item.name in ("scene", "map"):
            shutil.rmtree(item)
        elif item.name in OWN_NAMES or is_journal(item.name):
            item.unlink()
    with suppress(OSError):  # a network file system keeps files that are still open
        partial.rmdir()
