"""The JSON of a v1.0 patch: values of another type, and values that cannot be."""

import json
import shutil

import pytest

from bigearth.archive.metadata_v1 import SUFFIX, parse_patch_metadata
from bigearth.errors import InputError


@pytest.fixture
def folder(tiny_archive, tmp_path):
    patch = next(tiny_archive.glob("S2*"))
    return shutil.copytree(patch, tmp_path / patch.name)


@pytest.fixture
def path(folder):
    return folder / f"{folder.name}{SUFFIX}"


def parse(folder):
    return parse_patch_metadata((folder / f"{folder.name}{SUFFIX}").read_bytes(), folder)


def assert_refused(folder, match):
    with pytest.raises(InputError, match=match) as error:
        parse(folder)
    message = str(error.value)
    assert "\n" not in message and folder.name in message and "restore it from the archive" in message


def test_a_patch(folder, path):
    data, record = json.loads(path.read_text()), parse(folder)
    assert (record["labels"], record["tile_source"]) == (data["labels"], data["tile_source"])
    assert (record["x"], record["y"]) == (data["coordinates"]["ulx"], data["coordinates"]["uly"])
    assert record["date"] == data["acquisition_date"][:10]


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("labels", None, "labels is None, not of type"),
        ("labels", "Vineyards", "not of type"),
        ("labels", [1], "not of type"),
        ("acquisition_date", None, "acquisition_date is None"),
        ("acquisition_date", 20170613, "not of type str"),
        ("acquisition_date", "2017-13-45", "not a date"),
        ("acquisition_date", "13.06.2017", "not a date"),
        ("tile_source", "unknown", "no product name with a tile"),
        ("tile_source", ["x"], "not of type str"),
        ("projection", "EPSG:32633", "projection is 'EPSG:None', not that of tile"),
        ("projection", 'AUTHORITY["EPSG","4326"]', "projection is 'EPSG:4326', not that of tile"),
        ("coordinates", [1, 2], "not of type"),
        ("ulx", True, "not of type"),
        ("ulx", 1.5, "ulx is 1.5, not a whole number"),
        ("ulx", None, "not of type"),
        ("uly", "5400000", "not of type"),
        ("ulx", -1, "not the corners of a patch of 1200 m"),
        ("lrx", 0, "not the corners of a patch of 1200 m"),
    ],
)
def test_values_of_another_kind(folder, path, key, value, match):
    data = json.loads(path.read_text())
    inside = data["coordinates"] if key in data["coordinates"] else data
    inside[key] = value
    path.write_text(json.dumps(data))
    assert_refused(folder, match)


@pytest.mark.parametrize("key", ["labels", "coordinates", "projection", "tile_source", "acquisition_date"])
def test_missing_keys(folder, path, key):
    data = json.loads(path.read_text())
    del data[key]
    path.write_text(json.dumps(data))
    assert_refused(folder, f"lacks '{key}'")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "not valid JSON"),
        ("[1, 2]", "not a mapping"),
        ("null", "not a mapping"),
        ('{"labels": [], "labels": []}', "the key 'labels' stands twice"),
    ],
)
def test_bad_json(folder, path, content, match):
    path.write_text(content)
    assert_refused(folder, match)


def test_the_real_ones(real_data):
    for folder in (real_data / "BigEarthNet-v1.0").glob("S2*"):
        assert parse(folder)["labels"]
