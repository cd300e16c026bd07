"""Patches of a folder, classified by a finished run."""

import numpy as np
import pandas as pd
import pytest

from bigearth.archive.source import open_archive
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.scores.predictions import write_predictions
from bigearth.training import classify, network
from bigearth.training.recipe import Recipe
from tests.archive.packing import pack


@pytest.fixture(scope="module")
def finished(tiny_cube, tmp_path_factory):
    """The folder of a finished run, of a network that has learnt nothing."""
    folder = tmp_path_factory.mktemp("runs") / "untrained"
    folder.mkdir()
    cube = open_cube(tiny_cube)
    recipe = Recipe(width=4, blocks=[1])
    network.build(recipe, len(cube.labels), cube.mean, cube.std).save(folder / "model.keras")
    rows = cube.rows["test"]
    truth = cube.classes[rows.start : rows.stop]
    attributes = {
        "run": "untrained",
        "bands": ["multispectral"],
        "upsampling": "network",
        "epochs": 1,
        "finished": True,
    }
    predicted = {"test": (truth, np.zeros(truth.shape, np.float32))}
    write_predictions(folder / "predictions.h5", cube, predicted, attributes)
    return folder


def test_patches_of_a_folder_score_as_those_of_the_cube(finished, tiny_archive, tiny_cube):
    cube = open_cube(tiny_cube)
    names = list(cube.patches("test")[:3])
    found = {path.name: path for path in tiny_archive.rglob("*") if path.is_dir()}
    scores, images = classify.predict_patches(finished, [found[name] for name in names], batch_size=2)
    assert list(scores.index) == names and tuple(scores.columns) == cube.labels and images.shape == (3, 120, 120, 4)
    rows = slice(cube.rows["test"].start, cube.rows["test"].start + 3)
    features = {key: np.array(cube.array(key)[rows]) for key in Recipe().inputs}
    assert np.allclose(classify.load_model(finished).predict_on_batch(features), scores, atol=1e-5)
    assert np.array_equal(images, features["data_10m"])


def test_patches_of_a_packed_archive_score_alike(finished, tiny_archive, tmp_path):
    archive = open_archive(pack(tiny_archive, tmp_path / "packed", "gz"), tmp_path)
    names = archive.list_folders()[:3]
    expected, _ = classify.predict_patches(finished, [tiny_archive / name for name in names])
    scores, _ = classify.predict_patches(finished, [archive.path / name for name in names], source=archive)
    pd.testing.assert_frame_equal(scores, expected)


def test_no_patch_is_an_error(finished):
    with pytest.raises(InputError, match="no patch to classify"):
        classify.predict_patches(finished, [])


def test_an_unfinished_run_has_no_model(tmp_path):
    with pytest.raises(InputError, match="train it to its end"):
        classify.load_model(tmp_path)


@pytest.mark.parametrize("damage", [lambda b: b[:1000], lambda b: b"", lambda b: b"\0" * 100])
def test_a_damaged_model_is_an_error_in_one_line(finished, tmp_path, damage):
    (tmp_path / "predictions.h5").write_text("")
    (tmp_path / "model.keras").write_bytes(damage((finished / "model.keras").read_bytes()))
    with pytest.raises(InputError, match=r"model.keras cannot be read") as caught:
        classify.load_model(tmp_path)
    assert "\n" not in str(caught.value) and "remove" not in str(caught.value)
