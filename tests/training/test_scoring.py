"""Scoring of a split: shares of workers put together."""

from types import SimpleNamespace

import numpy as np
import pytest

from bigearth.cube.reading import open_cube
from bigearth.training import network, scoring
from bigearth.training.recipe import Recipe
from bigearth.training.team import Team


@pytest.fixture(scope="module")
def scored(tiny_cube):
    """A network that has learnt nothing, its cube, and the keys of its inputs."""
    cube, recipe = open_cube(tiny_cube), Recipe(bands="rgb", width=4, blocks=[1])
    return network.build(recipe, len(cube.labels), cube.mean, cube.std), cube, list(recipe.inputs)


def truth_of(cube, split):
    return cube.classes[cube.rows[split].start : cube.rows[split].stop]


def test_scores_are_the_networks_in_row_order(scored):
    model, cube, keys = scored
    score = scoring.make_scorer(Team(), model, cube, keys, batch_size=4)
    truth, probability = scoring.predict_split(Team(), score, cube.rows["test"], len(cube.labels))
    rows = slice(cube.rows["test"].start, cube.rows["test"].stop)
    assert np.array_equal(truth, truth_of(cube, "test"))
    assert np.allclose(probability, model.predict_on_batch({key: np.array(cube.array(key)[rows]) for key in keys}))


def test_loss_and_f1_are_those_of_the_whole_split(scored):
    model, cube, keys = scored
    score = scoring.make_scorer(Team(), model, cube, keys, batch_size=4)
    loss, f1 = scoring.validate(Team(), score, cube.rows["validation"])
    truth, probability = scoring.predict_split(Team(), score, cube.rows["validation"], len(cube.labels))
    clipped = np.clip(probability.astype(float), 1e-7, 1 - 1e-7)
    expected = -(truth * np.log(clipped) + (1 - truth) * np.log(1 - clipped)).mean()
    assert np.isclose(loss, expected, rtol=1e-4)
    decided = probability >= 0.5
    assert np.isclose(f1, 2 * (decided & (truth == 1)).sum() / (decided.sum() + truth.sum()))


def test_the_shares_of_three_workers_are_the_split(scored):
    model, cube, keys = scored
    shares = []
    for rank in range(3):
        worker = SimpleNamespace(rank=rank, size=3, gather=lambda array: array)
        score = scoring.make_scorer(worker, model, cube, keys, batch_size=4)
        shares.append(scoring.predict_split(worker, score, cube.rows["test"], len(cube.labels))[0])
    assert np.array_equal(np.concatenate(shares), truth_of(cube, "test"))


def test_a_worker_without_patches_scores_none(scored):
    model, cube, keys = scored
    score = scoring.make_scorer(Team(), model, cube, keys, batch_size=4)
    truth, probability = scoring.predict_split(Team(), score, range(0), len(cube.labels))
    assert truth.shape == probability.shape == (0, len(cube.labels))
