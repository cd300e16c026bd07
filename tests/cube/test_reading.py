"""An opened cube: its content, and files that are missing, incomplete or damaged."""

import h5py
import numpy as np
import pytest

from bigearth.cube.check import check
from bigearth.cube.layout import partial_folder
from bigearth.cube.progress import count_written
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.labels import LABELS_43
from bigearth.patch import BANDS, DATASET_OF


def test_open(tiny_cube):
    cube = open_cube(tiny_cube)
    n = len(cube.classes)
    assert cube.labels == LABELS_43 and cube.nomenclature == 43
    assert [len(cube.rows[name]) for name in ("train", "validation", "test")] == np.bincount(
        h5py.File(tiny_cube)["split"][:]
    ).tolist()
    assert cube.rows["train"].start == 0 and cube.rows["test"].stop == n
    assert set(cube.mean) == set(cube.std) == set(BANDS)
    assert len(set(np.concatenate([cube.patches(name) for name in cube.rows]))) == n


def test_arrays_are_mapped_and_read_only(tiny_cube):
    cube = open_cube(tiny_cube)
    for key in (*DATASET_OF.values(), "data_super"):
        array = cube.array(key)
        assert isinstance(array, np.memmap) and array.dtype == np.uint16
        np.testing.assert_array_equal(array, h5py.File(tiny_cube)[key][:])
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0
    with pytest.raises(InputError, match="has no data_5m"):
        cube.array("data_5m")


def test_published_file(published, tiny_cube):
    cube, ours = open_cube(published), open_cube(tiny_cube)
    n = len(ours.classes)
    assert cube.labels == LABELS_43 and cube.upsampling == "dsen2" and not cube.miniature
    assert cube.rows == {"train": range(n), "validation": range(n, n), "test": range(n, n)}
    np.testing.assert_array_equal(cube.classes, ours.classes)
    np.testing.assert_array_equal(cube.array("data_10m")[3:5], ours.array("data_10m")[3:5])
    assert cube.patches("train")[7] == "7"
    assert cube.mean["B04"] == pytest.approx(ours.array("data_10m")[..., 2].mean(dtype=float))
    assert any("published file" in line for line in check(published))


def test_missing(tmp_path):
    with pytest.raises(InputError, match="absent.h5 is missing: run notebook 02 first"):
        open_cube(tmp_path / "absent.h5")
    assert count_written(tmp_path / "absent.h5") == (0, 0)


def test_begun(tmp_path):
    partial_folder(tmp_path / "cube.h5").mkdir()
    with pytest.raises(InputError, match="cube.h5 is incomplete: .*run notebook 02 again to resume"):
        open_cube(tmp_path / "cube.h5")


def test_marked_incomplete(copied):
    with h5py.File(copied, "r+") as file:
        file.attrs["complete"] = False
    with pytest.raises(InputError, match="incomplete"):
        open_cube(copied)


def test_no_cube(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match="text.h5 is not a readable HDF5 file"):
        open_cube(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(InputError, match="has no dataset classes"):
        open_cube(tmp_path / "other.h5")


def test_truncated(copied):
    with open(copied, "r+b") as stream:
        stream.truncate(stream.seek(0, 2) // 2)
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        open_cube(copied)


@pytest.mark.parametrize("key", ["x", "date", "patch", "split", "data_20m"])
@pytest.mark.parametrize("how", ["group", "link"])
def test_a_dataset_that_is_another_thing(key, how, copied):
    with h5py.File(copied, "r+") as file:
        del file[key]
        if how == "group":
            file.create_group(key)
        else:
            file[key] = h5py.SoftLink("/nowhere")
    with pytest.raises(InputError, match=key):
        open_cube(copied)


@pytest.mark.parametrize("key", ["x", "epsg", "date", "patch", "split"])
def test_a_dataset_that_is_too_short(key, copied):
    with h5py.File(copied, "r+") as file:
        values = file[key][:-1]
        del file[key]
        file[key] = values
    with pytest.raises(InputError, match=f"{key} has not one value for each"):
        open_cube(copied)
