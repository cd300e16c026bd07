"""Prediction files: read, put side by side, and refused with a reason."""

import os

import h5py
import numpy as np
import pandas as pd
import pytest

from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.scores import predictions


def _write(path, **attributes):
    with h5py.File(path, "w") as file:
        file["patch"] = np.array(["a", "b", "c"], dtype=h5py.string_dtype())
        file["split"] = np.array([0, 1, 2], np.uint8)
        file["truth"] = np.eye(3, 2, dtype=np.uint8)
        file["score"] = np.full((3, 2), 0.5, np.float32)
        known = {"run": "rgb", "bands": "rgb", "labels": ["x", "y"], "nomenclature": 43, "miniature": True}
        file.attrs.update({**known, "epochs": 2, "finished": True, **attributes})
    return path


def test_read_predictions(tmp_path):
    read = predictions.read_predictions(_write(tmp_path / "predictions.h5"))
    assert (read.run, read.bands, read.labels, read.miniature) == ("rgb", ("rgb",), ("x", "y"), True)
    assert read.model == "rgb"
    _write(tmp_path / "dsen2.h5", bands=["multispectral"], upsampling="dsen2")
    assert predictions.read_predictions(tmp_path / "dsen2.h5").model == "multispectral, dsen2"
    test = read.select("test")
    assert test.patch.tolist() == ["c"] and test.truth.shape == (1, 2)


def test_unusable_predictions(tmp_path):
    with pytest.raises(InputError, match="is missing.*03_training"):
        predictions.read_predictions(tmp_path / "none.h5")
    (tmp_path / "broken.h5").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match="broken.h5 is not a complete"):
        predictions.read_predictions(tmp_path / "broken.h5")
    with pytest.raises(InputError, match="differ"):
        predictions.read_predictions(_write(tmp_path / "labels.h5", labels=["x"]))


def _with(**datasets):
    def change(path):
        with h5py.File(path, "r+") as file:
            for name, values in datasets.items():
                del file[name]
                if values is not None:
                    file[name] = values

    return change


def _without_attribute(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["labels"]


def _damaged(kind):
    def change(path):
        content = path.read_bytes()
        path.unlink()
        if kind == "half":
            path.write_bytes(content[: len(content) // 2])
        elif kind == "pointer":
            path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n")
        elif kind == "empty":
            path.touch()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "loop":
            path.symlink_to(path)

    return change


NAN = float("nan")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "change",
    [
        _with(score=np.full((3, 2), 1.5)),
        _with(score=np.array([[0.1, 0.2], [-0.1, 0.2], [0.1, 0.2]])),
        _with(score=np.array([[0.1, NAN], [0.1, 0.2], [0.1, 0.2]])),
        _with(score=np.array([[0.1, np.inf], [0.1, 0.2], [0.1, 0.2]])),
        _with(score=np.full((3, 3), 0.5)),
        _with(score=np.full(3, 0.5)),
        _with(score=np.full((3, 2), "x", dtype="S1")),
        _with(truth=np.full((3, 2), 2, np.uint8)),
        _with(truth=np.full((3, 2), 0.5)),
        _with(truth=np.full((2, 2), 1, np.uint8)),
        _with(split=np.array([0, 1, 3], np.uint8)),
        _with(split=np.array([-1, 1, 2])),
        _with(split=np.array([0.0, 1.0, 2.0])),
        _with(split=np.array([0, 1], np.uint8)),
        _with(patch=np.array(["a", "b", "b"], dtype=h5py.string_dtype())),
        _with(patch=np.array(["a", "b"], dtype=h5py.string_dtype())),
        _with(patch=np.arange(3)),
        _with(patch=np.array([b"\xff", b"b", b"c"], dtype=h5py.string_dtype())),
        _with(patch=None),
        _with(truth=None),
        lambda path: _write(path, labels=["x", "x"]),
        lambda path: _write(path, epochs=-1),
        lambda path: _write(path, epochs="two"),
        lambda path: _write(path, nomenclature="all"),
        _without_attribute,
        *(_damaged(kind) for kind in ("half", "pointer", "empty", "pipe", "folder", "loop")),
    ],
)
def test_impossible_predictions_are_refused_in_one_line(tmp_path, change):
    path = _write(tmp_path / "predictions.h5")
    change(path)
    with pytest.raises(InputError) as caught:
        predictions.read_predictions(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_run_is_left_out_beside_the_others(tmp_path):
    for run in ("rgb", "broken"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        _write(tmp_path / "runs" / run / "predictions.h5")
    _with(score=np.full((3, 2), 7.0))(tmp_path / "runs/broken/predictions.h5")
    found, status = predictions.read_runs(tmp_path, ["broken", "rgb"])
    assert list(found) == ["rgb"] and "a score is not a number from 0 to 1" in status.status[0]
    found, _ = predictions.read_runs(tmp_path, "rgb")
    assert list(found) == ["rgb"]
    for name in ("../../evil", "", "..", "a/b"):
        with pytest.raises(InputError, match="no name of a run"):
            predictions.read_runs(tmp_path, [name])


def test_runs_side_by_side(tmp_path):
    for run in ("rgb", "other", "short"):
        (tmp_path / "runs" / run).mkdir(parents=True)
    _write(tmp_path / "runs/rgb/predictions.h5")
    _write(tmp_path / "runs/other/predictions.h5", run="other", labels=["x", "z"])
    _write(tmp_path / "runs/short/predictions.h5", run="short", finished=False, bands=["B02", "B03", "B04"])
    found, status = predictions.read_runs(tmp_path, ["rgb", "other", "short", "none"])
    said = status.set_index("run").status
    assert list(found) == ["rgb", "short"] and found["short"].model == "rgb"
    assert said["rgb"] == "finished" and "unfinished" in said["short"]
    assert "classes are not those of rgb" in said["other"] and "is missing" in said["none"]
    with pytest.raises(InputError, match="none of .*'none'.*03_training"):
        predictions.read_runs(tmp_path, ["none"])


def test_empty_splits(tmp_path):
    read = predictions.read_predictions(_write(tmp_path / "predictions.h5"))
    assert predictions.choose_splits(read) == ("test", "validation")
    only = read.select("train")
    with pytest.raises(InputError, match="no patches in its test and validation split; set allow_empty_splits"):
        predictions.choose_splits(only)
    assert predictions.choose_splits(only, allow_empty_splits=True) == ("train", "train")


def test_places_are_written_with_the_predictions(tiny_cube, tmp_path):
    cube = open_cube(tiny_cube)
    predicted = {split: (np.zeros((len(cube.rows[split]), 43)),) * 2 for split in ("validation", "test")}
    attributes = {"run": "rgb", "bands": ["rgb"], "epochs": 1, "finished": True}
    predictions.write_predictions(tmp_path / "predictions.h5", cube, predicted, attributes)
    expected = pd.concat([cube.places("validation"), cube.places("test")])
    with h5py.File(tmp_path / "predictions.h5") as file:
        for key in ("x", "y", "epsg"):
            assert file[key][:].tolist() == expected[key].tolist()
        assert (file["date"][:].astype("datetime64[D]") == expected.date.to_numpy()).all()


@pytest.mark.parametrize(
    "name, value",
    [("epochs", 1.5), ("epochs", "3"), ("epochs", True), ("finished", "False"), ("finished", 2), ("miniature", "False"),
     ("nomenclature", 4.5), ("run", 5), ("upsampling", 5)],
)  # fmt: skip
def test_attributes_of_another_type(name, value, tmp_path):
    path = _write(tmp_path / "predictions.h5", **{name: value})
    with pytest.raises(InputError, match=f"attribute {name} is"):
        predictions.read_predictions(path)


def test_a_group_in_place_of_a_dataset(tmp_path):
    path = _write(tmp_path / "predictions.h5")
    with h5py.File(path, "r+") as file:
        del file["split"]
        file.create_group("split")
    with pytest.raises(InputError, match="split is no dataset"):
        predictions.read_predictions(path)
