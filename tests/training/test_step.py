"""One training step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bigearth.patch import BANDS
from bigearth.training import network, optimizers
from bigearth.training.recipe import Recipe
from bigearth.training.step import compile_step
from bigearth.training.team import Team

LABELS = 5


def make_step(team=None, **changes):
    """A compiled step of a small network, and the network."""
    keras.utils.set_random_seed(1)
    plain = {"bands": "rgb", "width": 4, "blocks": [1], "dropout": 0.0, "augment": False, "optimizer": "sgd"}
    recipe = Recipe(**plain | changes)
    model = network.build(recipe, LABELS, dict.fromkeys(BANDS, 1000.0), dict.fromkeys(BANDS, 500.0))
    optimizer = optimizers.make_optimizer(recipe)
    optimizer.build(model.trainable_variables)
    return compile_step(team or Team(), model, optimizer, recipe), model


def run_step(step, seed=1, rate=0.1, stop=0.0, timed=False):
    random = np.random.default_rng(0)
    features = {"data_10m": random.integers(0, 4000, (4, 120, 120, 4), np.uint16)}
    truth = random.integers(0, 2, (4, LABELS)).astype(np.uint8)
    return step(features, truth, tf.constant([seed, 2]), tf.constant(rate), tf.constant(stop), timed=timed)


def test_a_step_learns_by_its_learning_rate():
    step, model = make_step()
    before = model.get_layer("logits").kernel.numpy()
    first = float(run_step(step, rate=0.0)[0])
    assert np.array_equal(model.get_layer("logits").kernel.numpy(), before)
    for _ in range(5):
        last = float(run_step(step)[0])
    assert last < first


@pytest.mark.parametrize("changes", [{"augment": True}, {"mixup": 0.4}, {"dropout": 0.5}])
def test_the_seed_alone_decides_what_is_random(changes):
    losses = []
    for seed in (1, 1, 2):
        step, _ = make_step(**changes)
        losses.append(float(run_step(step, seed)[0]))
    assert losses[0] == losses[1] != losses[2]


def test_stop_flag_and_times_come_back():
    step, _ = make_step()
    _, stopping, computed, received = run_step(step, stop=1.0, timed=True)
    assert float(stopping) == 1 and 0 < float(computed) <= float(received)
    _, stopping, computed, received = run_step(step)
    assert float(stopping) == float(computed) == float(received) == 0


def test_every_gradient_is_averaged_over_the_team_under_a_name_of_its_own():
    class Halving(Team):
        """A team whose mean is half of what this worker has."""

        names = []

        def average(self, tensor, name):
            self.names.append(name)
            return tensor / 2

    step, model = make_step(Halving())
    alone, _ = make_step()
    halved, whole = float(run_step(step)[0]), float(run_step(alone)[0])
    assert np.isclose(halved, whole / 2)
    assert len(Halving.names) == len(set(Halving.names)) == len(model.trainable_variables) + 1
