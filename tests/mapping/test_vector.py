"""The squares of a map: a valid GeoPackage whose style QGIS shows."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from osgeo import ogr

from bigearth.labels import COLOURS, LABELS_19, LABELS_43
from bigearth.mapping.grid import make_grid
from bigearth.mapping.scene import Place
from bigearth.mapping.vector import Square, decide_labels, list_squares, make_style, write_squares

PLACE = Place(819627.364339148, 10340.0, 32633)


def test_labels_are_ordered_by_how_far_they_reach_over_their_threshold():
    assert decide_labels(np.array([0.5, 0.9, 0.4, 0.2]), np.array([0.1, 0.8, 0.4, 0.3])) == [0, 1, 2]
    assert decide_labels(np.zeros(2), np.full(2, 0.5)) == []


def make_squares(labels):
    scores = np.random.default_rng(0).random((2, 3, len(labels)), np.float32)
    scores[0, 1] = np.nan
    scores[1, 2] = 0
    masked = np.array([[0, 0.75, 0.25], [0, 0, 0]], np.float32)
    return scores, list(list_squares(scores, masked, make_grid(3540, 2400, 1200)))


@pytest.fixture(params=[LABELS_43, LABELS_19], ids=len)
def package(request, tmp_path):
    labels = request.param
    scores, squares = make_squares(labels)
    path = tmp_path / "patches.gpkg"
    write_squares(path, PLACE, labels, np.full(len(labels), 0.5), squares)
    return path, labels, scores


def test_squares_in_raster_order_end_with_the_scene():
    _, squares = make_squares(LABELS_19)
    assert [(square.column, square.row) for square in squares] == [(c, r) for r in (0, 20) for c in (0, 20, 39)]


def test_fields_and_geometries(package):
    path, labels, scores = package
    source = ogr.Open(str(path))
    layer = source.GetLayer("patches")
    assert layer.GetSpatialRef().GetAuthorityCode(None) == "32633" and layer.GetFeatureCount() == 6
    features = list(layer)
    for feature, score in zip(features, scores.reshape(6, -1), strict=True):
        column, row = map(int, feature["patch"].split("_"))
        west, east, south, north = feature.GetGeometryRef().GetEnvelope()
        assert (west, north) == (PLACE.x + 60 * column, PLACE.y - 60 * row)
        assert east - west == pytest.approx(1200) and north - south == pytest.approx(1200)
        if np.isnan(score[0]):
            assert feature["leading"] is None and feature[labels[0]] is None and feature["masked"] == 0.75
        else:
            assert [feature[label] for label in labels] == score.tolist()  # not rounded
            over = {label for label, value in zip(labels, score, strict=True) if value >= 0.5}
            assert set((feature["labels"] or "").split("; ")) - {""} == over
            assert feature["leading"] == (labels[int(score.argmax())] if over else "none")


def test_it_is_a_valid_geopackage(package):
    command = [sys.executable, "-m", "osgeo_utils.samples.validate_gpkg", "--extra", "-q", package[0]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_style_is_the_default_of_its_layer(package):
    path, labels, _ = package
    source = ogr.Open(str(path))
    (style,) = list(source.GetLayer("layer_styles"))
    assert (style["f_table_name"], style["f_geometry_column"], style["useAsDefault"]) == ("patches", "geom", 1)
    assert style["styleQML"] == make_style(labels)


QGIS = """
import json, sys
from qgis.core import QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsVectorLayer
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
app = QgsApplication([], False)
app.initQgis()
layer = QgsVectorLayer(sys.argv[1] + "|layername=patches", "patches", "ogr")
renderer = layer.renderer()
categories = {c.value(): c.symbol().color().name() for c in renderer.categories()} if renderer else {}
settings = QgsMapSettings()
settings.setLayers([layer])
settings.setDestinationCrs(layer.crs())
settings.setExtent(layer.extent())
settings.setOutputSize(QSize(300, 200))
settings.setBackgroundColor(QColor("white"))
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
image = job.renderedImage()
image.save(sys.argv[2])
print(json.dumps({"valid": layer.isValid(), "type": renderer.type(), "attribute": renderer.classAttribute(),
                  "categories": categories, "first": image.pixelColor(50, 50).name()}))
"""


def test_qgis_shows_it_in_corines_colours(package, tmp_path):
    python = "/usr/bin/python3"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PROJ", "GDAL"))}
    environment |= {"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    if not shutil.which("qgis"):
        pytest.skip("needs QGIS: apt-get install --no-install-recommends qgis python3-qgis")
    path, labels, scores = package
    command = [python, "-c", QGIS, str(path), str(tmp_path / "qgis.png")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.strip(), done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["valid"] and found["type"] == "categorizedSymbol" and found["attribute"] == "leading"
    for label in labels:
        assert found["categories"][label] == COLOURS[label].lower()
    colour = COLOURS[labels[int(scores[0, 0].argmax())]]
    drawn = [round(0.65 * int(colour[i : i + 2], 16) + 0.35 * 255) for i in (1, 3, 5)]
    shown = [int(found["first"][i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(np.subtract(drawn, shown)).max() <= 3


def test_no_square_is_written_twice(tmp_path):
    path = tmp_path / "patches.gpkg"
    square = Square(0, 0, 0.0, np.array([0.7]))
    write_squares(path, PLACE, ("Pastures",), np.array([0.5]), [square])
    write_squares(path, PLACE, ("Pastures",), np.array([0.5]), [square])
    source = ogr.Open(str(path))
    assert source.GetLayer("patches").GetFeatureCount() == 1
