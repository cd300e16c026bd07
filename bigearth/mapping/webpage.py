"""The map as one HTML file that needs no network and no server: scene, classes to switch, scores of a place."""

import base64
import json
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader
from osgeo import gdal
from PIL import Image

from bigearth.files import write_whole
from bigearth.labels import COLOURS
from bigearth.mapping.grid import CELL_METRES, Grid
from bigearth.mapping.scene import Scene
from bigearth.mapping.trained import TrainedRun

gdal.UseExceptions()

# Cells of the page's map along a side, at most: with 43 labels they take 3.3 MB.
CELLS = 240


def write_page(
    path: Path, scene: Scene, run: TrainedRun, grid: Grid, areas: pd.DataFrame, raster: Path, image: Path
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path : Path
    scene, run, grid
    areas : DataFrame
        See `bigearth.mapping.areas.measure_areas`.
    raster : Path
        GeoTIFF of scores, see `bigearth.mapping.raster.write_raster`; averaged where it is finer than the page shows.
    image : Path
        JPEG of the scene.
    """
    dataset = gdal.Open(str(raster))
    factor = max(1, max(dataset.RasterXSize, dataset.RasterYSize) / CELLS)
    columns, rows = round(dataset.RasterXSize / factor), round(dataset.RasterYSize / factor)
    scores = dataset.ReadAsArray(buf_xsize=columns, buf_ysize=rows, resample_alg=gdal.GRIORA_Average)
    entries = []
    for index, row in enumerate(areas.itertuples()):
        entries.append({"index": index, "label": row.label, "colour": COLOURS[row.label], "km2": row.km2})
    described = []
    for entry, threshold in zip(entries, run.thresholds.tolist(), strict=True):
        described.append({"name": entry["label"], "colour": entry["colour"], "threshold": threshold})
    data = {
        "rows": rows,
        "columns": columns,
        "x": scene.place.x,
        "y": scene.place.y,
        "cell_width": scene.width / columns,
        "cell_height": scene.height / rows,
        "labels": described,
        "scores": base64.b64encode(scores.tobytes()).decode(),
    }
    with Image.open(image) as opened:
        width, height = opened.size
    environment = Environment(loader=PackageLoader("bigearth.mapping"), autoescape=True)
    text = environment.get_template("map.html.j2").render(
        product=scene.name,
        run=run.name,
        is_miniature=run.is_miniature,
        chosen=run.chosen,
        stride=grid.stride * CELL_METRES,
        epsg=scene.place.epsg,
        labels=run.labels,
        order=sorted(entries, key=lambda entry: -entry["km2"]),
        rows=rows,
        columns=columns,
        width=width,
        height=height,
        image=base64.b64encode(image.read_bytes()).decode(),
        data=json.dumps(data).replace("<", "\\u003c"),
    )
    with write_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
