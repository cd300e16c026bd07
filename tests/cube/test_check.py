"""Verification of a cube: a whole one passes, each kind of damage is named."""

import json
import shutil

import h5py
import pytest

from bigearth import __main__ as commands
from bigearth.cube.check import check
from bigearth.cube.layout import checksum_rows, combine_checksums
from bigearth.cube.progress import count_written
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from tests.cube.damage import brighten


def test_check_passes(tiny_cube, tiny_archive):
    lines = check(tiny_cube, tiny_archive)
    assert any("checksums and statistics are as recorded" in line for line in lines)
    assert any("random rows have the pixels, labels and places of" in line for line in lines)
    assert count_written(tiny_cube) == (len(open_cube(tiny_cube).classes),) * 2


def reversed_attribute(path, key, name):
    with h5py.File(path, "r+") as file:
        file[key].attrs[name] = file[key].attrs[name][::-1]


def reversed_classes(path):
    with h5py.File(path, "r+") as file:
        file["classes"][...] = file["classes"][:][::-1]


def without_checksum(path):
    with h5py.File(path, "r+") as file:
        del file["data_10m"].attrs["checksum"]


def change(path, key, index, value):
    with h5py.File(path, "r+") as file:
        file[key][index] = value


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda path: change(path, "data_20m", (7, 30, 30, 3), 12345), "checksums are"),
        (lambda path: change(path, "data_super", (50, 0, 0, 0), 12345), "checksums are"),
        (lambda path: change(path, "classes", (0, slice(None)), 0), "a label in every row"),
        (lambda path: change(path, "classes", (0, slice(None)), 1), "label sums are"),
        (lambda path: change(path, "patch", 1, "other") or change(path, "patch", 2, "other"), "names are not unique"),
        (lambda path: change(path, "split", 0, 2), "not in the order of splits"),
        (lambda path: reversed_attribute(path, "data_10m", "bands"), "bands of data_10m are"),
        (lambda path: reversed_attribute(path, "classes", "labels"), "labels are"),
        (reversed_classes, "checksums are"),
        (without_checksum, "lacks an attribute .*checksum"),
    ],
)
def test_check_finds(copied, damage, message):
    damage(copied)
    with pytest.raises(InputError, match=message):
        check(copied)


def test_check_finds_other_statistics(copied):
    with h5py.File(copied, "r+") as file:
        file["data_60m"].attrs["mean"] = file["data_60m"].attrs["mean"] + 1e-6
    with pytest.raises(InputError, match="statistics of data_60m"):
        check(copied)


def other_pixels(folder):
    brighten(folder / f"{folder.name}_B8A.tif")


def other_labels(folder):
    path = folder / f"{folder.name}_labels_metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": ["Burnt areas"]}))


def other_date(folder):
    path = folder / f"{folder.name}_labels_metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"acquisition_date": "2017-01-01 10:00:00"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [(other_pixels, "the pixels of data_"), (other_labels, "has not the labels"), (other_date, "date is")],
)
def test_check_finds_rows_of_another_archive(tiny_cube, tiny_archive, tmp_path, change, message):
    archive = tmp_path / "other"
    shutil.copytree(tiny_archive, archive)
    for folder in archive.glob("S2*"):
        change(folder)
    with pytest.raises(InputError, match=message):
        check(tiny_cube, archive)


def test_check_tells_a_generated_archive(tiny_cube, tiny_archive, tmp_path):
    archive = tmp_path / "real"
    shutil.copytree(tiny_archive, archive, ignore=shutil.ignore_patterns("MINIATURE"))
    with pytest.raises(InputError, match="made from a generated archive"):
        check(tiny_cube, archive)


def test_command(tiny_cube, copied, capsys):
    assert commands.main(["check", str(tiny_cube)]) == 0
    assert "checksums" in capsys.readouterr().out
    change(copied, "data_20m", (7, 30, 30, 3), 12345)
    assert commands.main(["check", str(copied)]) == 2
    assert "error: cube" in capsys.readouterr().err


def test_a_cube_of_an_earlier_version(copied):
    """Its checksums are over slabs of several rows; it has neither places nor a checksum of its attributes."""
    with h5py.File(copied, "r+") as file:
        for key in ("x", "y", "epsg", "date"):
            del file[key]
        for key in ("data_10m", "data_20m", "data_60m", "data_super"):
            file[key].attrs["checksum"] = combine_checksums(checksum_rows(file[key][:], 7))
        del file.attrs["attributes_checksum"], file.attrs["checksum_rows"]
        file.attrs["slab_rows"] = 7
    lines = check(copied)
    assert sum("of an earlier version" in line for line in lines) == 2
    change(copied, "data_20m", (7, 30, 30, 3), 12345)
    with pytest.raises(InputError, match="checksums are"):
        check(copied)


@pytest.mark.parametrize("name", ["label", "band_20m", "x_10m"])
def test_check_finds_other_values_of_an_axis(name, copied):
    with h5py.File(copied, "r+") as file:
        values = file[name][:]
        file[name][...] = values[::-1]
    with pytest.raises(InputError, match=f"values of {name}"):
        check(copied)


@pytest.mark.parametrize("name", ["label", "band_10m"])
def test_check_of_an_axis_that_leads_nowhere(name, copied):
    with h5py.File(copied, "r+") as file:
        del file[name]
        file.create_group(name)
    with pytest.raises(InputError, match="cube") as error:
        check(copied)
    assert "NoneType" not in str(error.value)
