"""The finish line: the study on real patches, given with ``--real-data``."""

import json

import nbformat
import numpy as np
import papermill
import pytest
from osgeo import gdal

from bigearth.cube.check import check
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.reading import open_cube
from bigearth.files import ROOT
from bigearth.labels import LABELS_19, LABELS_43
from bigearth.patch import BANDS_AT, DATASET_OF


def assert_pixels_are_the_files(cube, folders):
    names = np.concatenate([cube.patches(split) for split in cube.rows])
    assert sorted(names) == sorted(folder.name for folder in folders)
    row = {name: i for i, name in enumerate(names)}
    for folder in folders:
        for metres, bands in BANDS_AT.items():
            for i, band in enumerate(bands):
                dataset = gdal.Open(str(folder / f"{folder.name}_{band}.tif"))
                stored = cube.array(DATASET_OF[metres])[row[folder.name], ..., i]
                np.testing.assert_array_equal(stored, dataset.ReadAsArray())
    return row


@pytest.mark.timeout(900)
def test_exploration_and_preprocessing_of_v1(real_data, tmp_path):
    archive = real_data / "BigEarthNet-v1.0"
    for stem in ("01_exploration", "02_preprocessing"):
        parameters = {"archive": str(archive), "workdir": str(tmp_path), "results": str(tmp_path / "results")}
        parameters["exclude"] = []  # these patches come without the archive's lists
        if stem == "02_preprocessing":
            parameters |= {"cube": str(tmp_path / "cube.h5"), "splits": "random"}
        papermill.execute_notebook(
            ROOT / f"notebooks/{stem}.ipynb", tmp_path / f"{stem}.ipynb", parameters, cwd=tmp_path, progress_bar=False
        )
        executed = nbformat.read(tmp_path / f"{stem}.ipynb", as_version=4)
        assert "miniature archive" not in str([cell.outputs for cell in executed.cells if cell.cell_type == "code"])
    cube = open_cube(tmp_path / "cube.h5")
    folders = sorted(archive.glob("S2*"))
    row = assert_pixels_are_the_files(cube, folders)
    assert cube.labels == LABELS_43 and not cube.miniature
    for folder in folders:
        labels = json.loads((folder / f"{folder.name}_labels_metadata.json").read_text())["labels"]
        assert {cube.labels[i] for i in np.flatnonzero(cube.classes[row[folder.name]])} == set(labels)
    check(tmp_path / "cube.h5", archive)


@pytest.mark.timeout(900)
def test_training_and_reading_of_three_patches(real_data, tmp_path):
    archive, cube = real_data / "BigEarthNet-v1.0", str(tmp_path / "cube.h5")
    write_cube(cube=cube, archive=archive, workdir=tmp_path, splits="random")
    assert not len(open_cube(cube).rows["validation"])  # three patches do not fill three splits

    def run(stem, **parameters):
        parameters |= {"workdir": str(tmp_path), "results": str(tmp_path / "results"), "cube": cube}
        target = tmp_path / f"{stem}.ipynb"
        papermill.execute_notebook(ROOT / f"notebooks/{stem}.ipynb", target, parameters, progress_bar=False)
        return target.read_text()

    small = {"epochs": 1, "warmup": 0, "width": 8, "batch_size": 1, "workers": 5, "classify": str(archive)}
    with pytest.raises(papermill.PapermillExecutionError, match="no validation patch.*allow_empty_splits"):
        run("03_training", **small)
    executed = run("03_training", **small, allow_empty_splits=True)
    assert "training rows are scored in their place" in executed
    assert (tmp_path / "runs/trial/predictions.h5").exists()
    assert "training" in run("04_classification", runs=["trial"], allow_empty_splits=True)
    run("05_scaling", runs=["trial"], measure=[], allow_empty_splits=True)


def test_official_lists_on_the_real_patches(real_data, tmp_path):
    lists = real_data.parent / "lists"
    with pytest.warns(UserWarning, match="not in the archive"):
        write_cube(
            cube=tmp_path / "cube.h5",
            archive=real_data / "BigEarthNet-v1.0",
            workdir=tmp_path,
            splits=lists / "splits",
            nomenclature=19,
        )
    cube = open_cube(tmp_path / "cube.h5")
    for name, file in (("train", "train"), ("validation", "val"), ("test", "test")):
        official = set((lists / f"splits/{file}.csv").read_text().split())
        assert official.issuperset(cube.patches(name))
    assert sum(map(len, cube.rows.values())) > 0 and cube.labels == LABELS_19


def test_preprocessing_of_v2(real_data, tmp_path):
    archive = real_data / "BigEarthNet-v2"
    with pytest.warns(match="480,037 of the archive's 480,038 patches are not there"):
        write_cube(cube=tmp_path / "cube.h5", archive=archive, workdir=tmp_path, upsampling="bilinear")
    cube = open_cube(tmp_path / "cube.h5")
    assert_pixels_are_the_files(cube, list(archive.glob("BigEarthNet-S2/*/*")))
    assert cube.labels == LABELS_19 and cube.classes.sum() > 0
    check(tmp_path / "cube.h5", archive)
