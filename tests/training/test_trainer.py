"""Network, optimizer and step of one worker, made from a recipe; the check of the backend."""

import keras
import numpy as np
import pytest

from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.training import trainer as trainer_module
from bigearth.training.recipe import Recipe
from bigearth.training.team import Team
from bigearth.training.trainer import check_backend, make_trainer


def make(tiny_cube, **changes):
    recipe = Recipe(**{"width": 4, "blocks": [1], "batch_size": 4} | changes)
    cube = open_cube(tiny_cube)
    return make_trainer(Team(), recipe, cube, recipe.check(cube, workers=1))


def test_the_seed_decides_the_first_weights(tiny_cube):
    first, again, other = (make(tiny_cube, seed=seed).model.get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_checkpoint_holds_network_and_optimizer(tiny_cube):
    trainer = make(tiny_cube, optimizer="sgd")
    assert len(trainer.variables) == len(trainer.model.weights) + len(trainer.optimizer.variables)
    assert len(trainer.optimizer.variables) >= len(trainer.model.trainable_variables)


def test_rare_classes_are_seen_more_often_where_asked(tiny_cube):
    assert make(tiny_cube).repeats is None
    repeats = make(tiny_cube, oversampling=True).repeats
    assert len(repeats) == len(open_cube(tiny_cube).rows["train"]) and repeats.min() >= 1 and repeats.max() > 1


def test_keras_own_settings_are_the_studys(tiny_cube):
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float64")
    trainer = make(tiny_cube)
    assert keras.config.image_data_format() == "channels_last" and keras.config.floatx() == "float32"
    assert trainer.model.get_layer("logits").input.shape == (None, 16)


def test_another_backend_is_named_with_the_file_that_sets_it(monkeypatch):
    check_backend()
    monkeypatch.setattr(trainer_module.keras.config, "backend", lambda: "jax")
    with pytest.raises(InputError, match=r"backend is 'jax'.*keras.json"):
        check_backend()
