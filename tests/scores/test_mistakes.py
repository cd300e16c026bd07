"""Labels that go together, and the most confident mistakes."""

import numpy as np

from bigearth.cube.reading import open_cube
from bigearth.scores.metrics import assign_labels
from bigearth.scores.mistakes import count_cooccurrence, list_mistakes, read_patches
from bigearth.scores.predictions import read_predictions
from tests.scores.generated_predictions import write_predictions


def test_shares_of_patches():
    truth = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]], np.uint8)
    predicted = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], np.uint8)
    pairs = count_cooccurrence(truth, predicted, ["a", "b", "c"]).set_index(["label", "other"])
    assert len(pairs) == 6
    assert pairs.loc[("a", "b"), "together"] == np.float32(1 / 3) and pairs.loc[("b", "a"), "together"] == 1
    # a was missed twice, and b given in its place once
    assert pairs.loc[("a", "b"), "given_when_missed"] == 0.5


def test_each_class_and_each_patch_once(tmp_path):
    predictions = read_predictions(write_predictions(tmp_path, "rgb"))
    predictions.score[5, 7] = 1 - predictions.truth[5, 7]
    wrong = list_mistakes(predictions, assign_labels(predictions.score))
    assert wrong["patch"][0] == "patch-5" and wrong["label"][0] == predictions.labels[7]
    assert len(wrong) == 8 and wrong["patch"].is_unique and wrong["label"].is_unique
    assert wrong["mistake"][0] == ("missed" if predictions.truth[5, 7] else "wrongly given")


def test_images_of_the_patches_that_the_cube_holds(tiny_cube, tmp_path):
    cube = open_cube(tiny_cube)
    name = cube.patches("test")[0]
    images, problem = read_patches(tiny_cube, "test", [name])
    assert images[name].shape == (120, 120, 4) and problem == ""
    images, problem = read_patches(tiny_cube, "test", [name, "another"])
    assert list(images) == [name] and "holds 1 of these 2 patches" in problem
    images, problem = read_patches(tmp_path / "none.h5", "test", [name])
    assert not images and problem.startswith("No images: ")
