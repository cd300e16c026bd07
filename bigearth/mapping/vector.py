"""The map as squares: a GeoPackage with one square per patch, which QGIS shows in CORINE's colours."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from osgeo import gdal, ogr

from bigearth.files import write_whole
from bigearth.labels import COLOURS
from bigearth.mapping.grid import CELL_METRES, Grid
from bigearth.mapping.scene import Place
from bigearth.patch import PATCH_METRES

gdal.UseExceptions()
ogr.UseExceptions()

LAYER = "patches"
MASKED_COLOUR = "#8c8c8c"
# Columns of the table layer_styles as QGIS creates it.
STYLE_COLUMNS = (
    ("f_table_catalog", ogr.OFTString),
    ("f_table_schema", ogr.OFTString),
    ("f_table_name", ogr.OFTString),
    ("f_geometry_column", ogr.OFTString),
    ("styleName", ogr.OFTString),
    ("styleQML", ogr.OFTString),
    ("styleSLD", ogr.OFTString),
    ("useAsDefault", ogr.OFTInteger),
    ("description", ogr.OFTString),
    ("owner", ogr.OFTString),
    ("ui", ogr.OFTString),
    ("update_time", ogr.OFTDateTime),  # QGIS asks for it, and takes an empty one
)
_QML = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology">
<renderer-v2 type="categorizedSymbol" attr="leading" symbollevels="0" enableorderby="0" forceraster="0">
<categories>
{categories}
</categories>
<symbols>
{symbols}
</symbols>
</renderer-v2>
<blendMode>0</blendMode><featureBlendMode>0</featureBlendMode><layerGeometryType>2</layerGeometryType>
</qgis>
"""
_SYMBOL = """<symbol type="fill" name="{number}" alpha="{alpha}" clip_to_extent="1" force_rhr="0">
<layer class="SimpleFill" enabled="1" locked="0" pass="0">
<prop k="color" v="{colour},255"/><prop k="style" v="{style}"/><prop k="joinstyle" v="miter"/>
<prop k="outline_color" v="60,60,60,255"/><prop k="outline_style" v="solid"/>
<prop k="outline_width" v="0.1"/><prop k="outline_width_unit" v="MM"/>
</layer></symbol>"""


@dataclass(frozen=True)
class Square:
    """A patch of the map: its window's column and row in pixels of 60 m, and what was found there."""

    column: int
    row: int
    masked: float  # share of its area, 0 to 1
    score: np.ndarray | None  # (labels,) float32; None where the mask rules


def list_squares(scores: np.ndarray, masked: np.ndarray, grid: Grid) -> Iterator[Square]:
    """List the windows of a map in raster order.

    Parameters
    ----------
    scores : (rows, columns, labels) float32, NaN where masked
    masked : (rows, columns) float32
    grid : Grid
    """
    for i, row in enumerate(grid.rows.tolist()):
        line = np.asarray(scores[i])
        for j, column in enumerate(grid.columns.tolist()):
            score = None if np.isnan(line[j, 0]) else line[j]
            yield Square(column, row, float(masked[i, j]), score)


def decide_labels(score: np.ndarray, thresholds: np.ndarray) -> list[int]:
    """Columns of the labels that a patch is given, the surest first: by how far the score is above its threshold."""
    given = np.flatnonzero(score >= thresholds)
    return given[np.argsort(-(score - thresholds)[given], kind="stable")].tolist()


def write_squares(
    path: Path, place: Place, labels: tuple[str, ...], thresholds: np.ndarray, squares: Iterable[Square]
) -> None:
    """Write a GeoPackage with one square per patch, whole or not at all.

    Its fields are ``patch`` (column and row of its upper left corner, in pixels of 60 m), ``masked`` (share),
    ``leading`` (the label furthest above its threshold), ``labels`` (all labels over their thresholds), and one score
    per label under the label's name; the last three are empty where the mask rules. Scores are not rounded.

    Parameters
    ----------
    path : Path
    place : Place
    labels : tuple of str
    thresholds : (labels,) float
    squares : iterable of Square
    """
    with write_whole(path) as partial:
        _write_package(partial, place, labels, thresholds, squares)


def _write_package(
    path: Path, place: Place, labels: tuple[str, ...], thresholds: np.ndarray, squares: Iterable[Square]
) -> None:
    """Write the file; it is closed when this function returns."""
    package = gdal.GetDriverByName("GPKG").Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
    # no spatial index: where TensorFlow was loaded first, its own SQLite answers GDAL, and that one has no R-tree
    options = ["GEOMETRY_NAME=geom", "SPATIAL_INDEX=NO"]
    layer = package.CreateLayer(LAYER, place.reference(), ogr.wkbPolygon, options)
    for name, kind in (("patch", ogr.OFTString), ("masked", ogr.OFTReal)):
        layer.CreateField(ogr.FieldDefn(name, kind))
    for name in ("leading", "labels"):
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTString))
    for label in labels:
        layer.CreateField(ogr.FieldDefn(label, ogr.OFTReal))
    package.StartTransaction()
    for square in squares:
        layer.CreateFeature(_make_feature(layer.GetLayerDefn(), place, labels, thresholds, square))
    package.CommitTransaction()
    _write_style(package, labels)


def _make_feature(
    definition: ogr.FeatureDefn, place: Place, labels: tuple[str, ...], thresholds: np.ndarray, square: Square
) -> ogr.Feature:
    feature = ogr.Feature(definition)
    feature["patch"] = f"{square.column}_{square.row}"
    feature["masked"] = square.masked
    if square.score is not None:
        given = [labels[i] for i in decide_labels(square.score, thresholds)]
        feature["leading"] = given[0] if given else "none"
        feature["labels"] = "; ".join(given)
        for label, value in zip(labels, square.score.tolist(), strict=True):
            feature[label] = value
    left = place.x + square.column * CELL_METRES
    top = place.y - square.row * CELL_METRES
    right, bottom = left + PATCH_METRES, top - PATCH_METRES
    corners = f"{left!r} {top!r}, {right!r} {top!r}, {right!r} {bottom!r}, {left!r} {bottom!r}, {left!r} {top!r}"
    feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON (({corners}))"))
    return feature


def make_style(labels: tuple[str, ...]) -> str:
    """QGIS' style (QML) of the layer: a square in the CORINE colour of its leading label; masked ones hatched."""
    entries = [(label, label, COLOURS[label], "solid", "0.65") for label in labels]
    entries.append(("none", "no label over its threshold", "#ffffff", "no", "1"))
    entries.append(("", "masked: cloud, snow or no data", MASKED_COLOUR, "b_diagonal", "1"))
    categories, symbols = [], []
    for number, (value, text, colour, style, alpha) in enumerate(entries):
        categories.append(
            f'<category symbol="{number}" value={quoteattr(value)} label={quoteattr(text)} render="true"/>'
        )
        channels = ",".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
        symbols.append(_SYMBOL.format(number=number, alpha=alpha, colour=channels, style=style))
    return _QML.format(categories="\n".join(categories), symbols="\n".join(symbols))


def _write_style(package: gdal.Dataset, labels: tuple[str, ...]) -> None:
    table = package.CreateLayer("layer_styles", None, ogr.wkbNone, ["FID=id"])
    for name, kind in STYLE_COLUMNS:
        table.CreateField(ogr.FieldDefn(name, kind))
    row = ogr.Feature(table.GetLayerDefn())
    values = {
        "f_table_catalog": "",
        "f_table_schema": "",
        "f_table_name": LAYER,
        "f_geometry_column": "geom",
        "styleName": "CORINE colours",
        "styleQML": make_style(labels),
        "styleSLD": "",
        "useAsDefault": 1,
        "description": "Leading label of each patch in the colours of CORINE's legend",
        "owner": "",
    }
    for name, value in values.items():
        row[name] = value
    table.CreateFeature(row)
