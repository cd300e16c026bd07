"""Whole maps: true to the cube route, at their place, the same after a kill, refused or kept where one is there."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from osgeo import gdal, ogr

from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.mapping.maps import find_map, find_partial, measure_progress, write_map
from bigearth.mapping.outputs import HTML, RASTER, SQUARES
from bigearth.mapping.raster import decode_scores
from bigearth.miniature.products import write_products
from tests.mapping.conftest import make_run
from tests.mapping.test_scene import NAME, write_folder


@pytest.fixture(scope="module")
def mapped(run, product, tmp_path_factory):
    results = tmp_path_factory.mktemp("maps")
    write_map(run=run, product=product, results=results)
    return find_map(product, run, results)


def read_squares(folder):
    """All attributes and the corners of all squares, in the order of the file."""
    source = ogr.Open(str(folder / SQUARES))
    rows = []
    for feature in source.GetLayer("patches"):
        rows.append(feature.items() | {"place": feature.GetGeometryRef().GetEnvelope()})
    return pd.DataFrame(rows)


def cube_route(cube, run):
    """Scores of all patches of the cube, with their places: what notebook 03 and 04 would find."""
    data = open_cube(cube)
    model = keras.saving.load_model(run / "model.keras", compile=False)
    found = []
    for split, rows in data.rows.items():
        inputs = {key: np.array(data.array(key)[rows.start : rows.stop]) for key in model.input}
        scores = pd.DataFrame(model.predict_on_batch(inputs), columns=list(data.labels))
        found.append(pd.concat([data.places(split)[["x", "y", "epsg"]].reset_index(drop=True), scores], axis=1))
    return pd.concat(found), list(data.labels)


def check_against_cube(folder, cube, run, tolerance=1e-5):
    """Compare a map of the tile T33UWP with the cube route at all patches of the archive; returns how many."""
    expected, labels = cube_route(cube, run)
    squares = read_squares(folder)
    at = {(round(place[0]), round(place[3])): row for row, place in enumerate(squares.place)}
    dataset = gdal.Open(str(folder / RASTER))
    stored = decode_scores(dataset.ReadAsArray())
    left, pixel, _, top, _, _ = dataset.GetGeoTransform()
    rows = expected[(expected.epsg == 32633)]
    for row in rows.itertuples(index=False):
        score = np.array(row[3:], float)
        np.testing.assert_allclose(squares.loc[at[row.x, row.y], labels].astype(float), score, atol=tolerance)
        column, line = int((row.x + 600 - left) // pixel), int((top - row.y + 600) // pixel)
        np.testing.assert_allclose(stored[:, line, column], score, atol=1 / 255)
    return len(rows)


def test_scores_are_those_of_the_cube_route(mapped, tiny_cube, run):
    assert check_against_cube(mapped, tiny_cube, run) == 10


@pytest.mark.parametrize(("bands", "upsampling"), [("rgb", "network"), ("multispectral", "bilinear")])
def test_bands_and_upsampling_come_from_the_run(tiny_cube, product, tmp_path, bands, upsampling):
    run = make_run(tmp_path / bands, tiny_cube, bands, upsampling)
    done = write_map(run=run, product=product, results=tmp_path / "maps")
    assert check_against_cube(tmp_path / done["folder"], tiny_cube, run) == 10


def test_the_raster_lies_on_the_scene(mapped, product):
    (path,) = product.rglob("*_B02_10m.jp2")
    band, raster = gdal.Open(str(path)), gdal.Open(str(mapped / RASTER))
    assert raster.GetSpatialRef().IsSame(band.GetSpatialRef())
    bounds = []
    for dataset in (band, raster):
        left, width, _, top, _, height = dataset.GetGeoTransform()
        bounds.append((left, top, left + width * dataset.RasterXSize, top + height * dataset.RasterYSize))
    assert bounds[0] == bounds[1]


def test_a_finished_map_is_kept_and_another_one_refused(mapped, run, product):
    before = {path.name: path.stat().st_mtime_ns for path in mapped.iterdir()}
    assert write_map(run=run, product=product, results=mapped.parent)["windows"] == 0
    with pytest.raises(InputError, match="exists with stride = 1200, now 600.*choose another folder"):
        write_map(run=run, product=product, results=mapped.parent, stride=600)
    assert {path.name: path.stat().st_mtime_ns for path in mapped.iterdir()} == before
    assert sorted(item.name for item in mapped.parent.iterdir()) == [mapped.name]


def test_what_the_user_keeps_there_is_left_alone(run, product, tmp_path):
    folder = find_map(product, run, tmp_path)
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is no map of this study"):
        write_map(run=run, product=product, results=tmp_path)
    partial = find_partial(find_map(product, run, tmp_path / "b"))
    partial.mkdir(parents=True)
    (partial / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="mine.txt, which no map wrote"):
        write_map(run=run, product=product, results=tmp_path / "b")
    assert (folder / "mine.txt").read_text() == (partial / "mine.txt").read_text() == "mine"


def start_ranks(**parameters):
    command = ["mpiexec", "-n", "2", "--oversubscribe", "--allow-run-as-root", sys.executable]
    command += ["-m", "tests.mapping.mapping_worker", json.dumps(parameters)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def assert_same_map(first, second):
    pixels = [gdal.Open(str(folder / RASTER)).ReadAsArray() for folder in (first, second)]
    np.testing.assert_array_equal(*pixels)
    pd.testing.assert_frame_equal(read_squares(first), read_squares(second))
    assert (first / HTML).read_text() == (second / HTML).read_text()


def test_killed_and_resumed_on_two_ranks(run, product, tmp_path):
    common = {"run": str(run), "product": str(product), "stride": 300}
    whole = start_ranks(**common, results=str(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    killed = start_ranks(**common, results=str(tmp_path / "killed"), die_after=2)
    assert killed.returncode != 0
    folders = [find_map(product, run, tmp_path / name) for name in ("whole", "killed")]
    unit, done, of = measure_progress(product, run, tmp_path / "killed")
    assert unit == "patch" and of == 13 * 13 and 2 * 13 <= done < of and not folders[1].exists()
    resumed = start_ranks(**common, results=str(tmp_path / "killed"))
    assert resumed.returncode == 0, resumed.stderr
    ranks = [json.loads(line) for line in resumed.stdout.splitlines() if line.startswith("{")]
    assert sum(rank["windows"] for rank in ranks) == of - done
    assert_same_map(*folders)
    assert sorted(item.name for item in (tmp_path / "killed").iterdir()) == [folders[1].name]


def test_a_journal_that_lies_is_not_believed(run, product, tmp_path):
    done = write_map(run=run, product=product, results=tmp_path / "whole")
    folder = find_map(product, run, tmp_path / "again")
    plan = json.loads((tmp_path / "whole" / done["folder"] / "provenance.json").read_text())["plan"]
    partial = find_partial(folder)
    partial.mkdir(parents=True)
    (partial / "plan.json").write_text(json.dumps(plan))
    (partial / "scores.f32").write_bytes(bytes(4 * 16 * 43))
    (partial / "masked.f32").write_bytes(bytes(4 * 16))
    (partial / "journal-0.txt").write_text("0 0 4 00000000 written\n1 0 4 wri\n9 9 9 00000000 written\n")
    assert write_map(run=run, product=product, results=tmp_path / "again")["windows"] == 16
    assert_same_map(tmp_path / "whole" / done["folder"], folder)


def test_clouds_are_not_classified(tiny_archive, run, tmp_path):
    (path,) = write_products(tmp_path / "tiles", tiny_archive, tiles=["T29UPU"], classification=True)
    (scl,) = path.rglob("*_SCL_20m.jp2")
    is_cloud = gdal.Open(str(scl)).ReadAsArray() == 9
    side = len(is_cloud) // 60
    share = is_cloud.reshape(side, 60, side, 60).mean(axis=(1, 3))
    limit = float(np.sort(share, axis=None)[-3])  # three patches are more cloudy than the others
    done = write_map(run=run, product=path, results=tmp_path / "maps", masked_from=limit)
    squares = read_squares(tmp_path / "maps" / done["folder"])
    np.testing.assert_allclose(squares.masked, share.ravel(), atol=1e-6)
    stored = gdal.Open(str(tmp_path / "maps" / done["folder"] / RASTER)).ReadAsArray()
    np.testing.assert_array_equal(stored[0] == 255, share >= limit)
    assert squares.leading.isna().sum() == 3


def test_missing_pixels_are_not_classified(run, tmp_path):
    product = write_folder(tmp_path / NAME.replace("N0400", "N0300"), value=0)
    done = write_map(run=run, product=product, results=tmp_path / "maps")
    squares = read_squares(tmp_path / "maps" / done["folder"])
    assert (squares.masked == 1).all() and squares.leading.isna().all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stride": 100}, "stride 100 is not possible"),
        ({"threshold": 1.5}, "threshold 1.5 is no score"),
        ({"masked_from": 0}, "masked_from 0 is no share"),
        ({"run": "nowhere"}, "run .*nowhere is missing"),
        ({"product": "nowhere"}, "product .*nowhere"),
    ],
)
def test_wrong_parameters_leave_nothing(run, product, tmp_path, wrong, message):
    with pytest.raises(InputError, match=message) as raised:
        write_map(**{"run": run, "product": product, "results": tmp_path / "maps"} | wrong)
    assert "\n" not in str(raised.value) and not list(tmp_path.rglob("*.*"))


def test_the_real_crop(real_data, run, tmp_path):
    (product,) = (real_data / "Sentinel-2-L2A-crop").iterdir()
    done = write_map(run=run, product=product, results=tmp_path)
    folder = tmp_path / done["folder"]
    source, raster = gdal.Open(str(product / "B02.tif")), gdal.Open(str(folder / RASTER))
    assert done["windows"] == 81 and raster.RasterXSize == 89
    assert raster.GetGeoTransform() == (source.GetGeoTransform()[0], 120, 0, source.GetGeoTransform()[3], 0, -120)
    assert "knows nothing of the real world" in " ".join((folder / HTML).read_text().split())


def test_a_real_patch(real_data, run, tmp_path):
    product = sorted((real_data / "BigEarthNet-v1.0").iterdir())[0]
    done = write_map(run=run, product=product, results=tmp_path, offset=0)
    assert done["windows"] == 1
