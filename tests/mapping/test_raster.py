"""The raster of a map: valid for others' readers, at its place, true to its steps."""

import subprocess
import sys

import numpy as np
import pytest
from osgeo import gdal

from bigearth.mapping.raster import NO_DATA, Layout, decode_scores, encode_scores, write_raster
from bigearth.mapping.scene import Place

PLACE = Place(819627.364339148, 10340.0, 32633)
LABELS = ("Pastures", "Sea and ocean", "Transitional woodland/shrub")


def test_steps_are_finer_than_a_255th():
    scores = np.linspace(0, 1, 10001, dtype=np.float32)
    stored = encode_scores(scores)
    assert stored.max() < NO_DATA and np.abs(decode_scores(stored) - scores).max() < 1 / 255
    assert encode_scores(np.array([np.nan]))[0] == NO_DATA and np.isnan(decode_scores(np.array([NO_DATA])))[0]


@pytest.fixture
def written(tmp_path):
    scores = np.random.default_rng(0).random((21, 13, 3), np.float32)
    scores[3, 4] = np.nan
    path = tmp_path / "scores.tif"
    layout = Layout(PLACE, 120, (21, 13), LABELS)
    write_raster(path, layout, [(0, scores[:20]), (20, scores[20:])], {"run": "a"})
    return path, scores


def test_gdal_reads_it_back(written):
    path, scores = written
    dataset = gdal.Open(str(path))
    assert dataset.GetGeoTransform() == (PLACE.x, 120, 0, PLACE.y, 0, -120)
    assert dataset.GetSpatialRef().GetAuthorityCode(None) == "32633" and dataset.GetMetadataItem("run") == "a"
    for number, label in enumerate(LABELS, 1):
        band = dataset.GetRasterBand(number)
        assert band.GetDescription() == label and band.GetNoDataValue() == NO_DATA
        read = band.ReadAsArray() * band.GetScale()
        read[band.ReadAsArray() == NO_DATA] = np.nan
        np.testing.assert_allclose(read, scores[..., number - 1], atol=1 / 255)
    assert sorted(item.name for item in path.parent.iterdir()) == ["scores.tif"]


def test_an_independent_reader_finds_the_same_place(written):
    # in a process of its own: its wheel brings a GDAL of its own
    pytest.importorskip("rasterio", reason="needs rasterio")
    code = "import rasterio, sys; d = rasterio.open(sys.argv[1]); print(*d.xy(3, 4), d.crs.to_epsg(), d.scales[0])"
    done = subprocess.run([sys.executable, "-c", code, written[0]], capture_output=True, text=True, check=True)
    x, y, epsg, scale = done.stdout.split()
    assert float(x) == pytest.approx(PLACE.x + 4.5 * 120) and float(y) == pytest.approx(PLACE.y - 3.5 * 120)
    assert (epsg, float(scale)) == ("32633", pytest.approx(1 / 254))


def test_it_is_cloud_optimized(written):
    pytest.importorskip("rio_cogeo", reason="needs rio-cogeo")
    code = "import sys; from rio_cogeo import cog_validate; print(cog_validate(sys.argv[1], strict=True))"
    done = subprocess.run([sys.executable, "-c", code, written[0]], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("(True, [], [])"), done.stdout
