"""Optimizers by name, and LARS beside its formula."""

import inspect

import keras
import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.training import limits, optimizers
from bigearth.training.recipe import Recipe


def test_lars_follows_the_written_out_update():
    random = np.random.default_rng(0)
    kernel, bias = random.normal(size=(3, 3, 2, 4)).astype("f4"), random.normal(size=4).astype("f4")
    variables = [keras.Variable(kernel), keras.Variable(bias)]
    lars = optimizers.LARS(learning_rate=0.5, momentum=0.9, trust=0.01, decay=0.1)
    velocity = [0, 0]
    for _ in range(3):
        gradients = [random.normal(size=v.shape).astype("f4") for v in variables]
        lars.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
        norms = np.linalg.norm(kernel), np.linalg.norm(gradients[0])
        rate = 0.5 * 0.01 * norms[0] / (norms[1] + 0.1 * norms[0])
        velocity[0] = 0.9 * velocity[0] + rate * (gradients[0] + 0.1 * kernel)
        velocity[1] = 0.9 * velocity[1] + 0.5 * gradients[1]
        kernel, bias = kernel - velocity[0], bias - velocity[1]
    assert np.allclose(variables[0], kernel, atol=1e-6) and np.allclose(variables[1], bias, atol=1e-6)


def test_lars_is_saved_and_loaded_by_keras():
    lars = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizers.LARS(trust=0.02)))
    assert lars.trust == 0.02 and lars.momentum == optimizers.MOMENTUM


def test_options_reach_keras_as_they_are():
    options = {"global_clipnorm": 1.0, "gradient_accumulation_steps": 2}
    sgd = optimizers.make_optimizer(Recipe(optimizer="sgd", optimizer_options=options))
    assert (sgd.nesterov, sgd.momentum, sgd.global_clipnorm, sgd.gradient_accumulation_steps) == (True, 0.9, 1.0, 2)
    assert isinstance(optimizers.make_optimizer(Recipe(optimizer="lamb")), keras.optimizers.Lamb)
    scaled = optimizers.make_optimizer(Recipe(optimizer="lars", precision="mixed_float16"))
    assert isinstance(scaled, keras.optimizers.LossScaleOptimizer)


@pytest.mark.parametrize("name", ["sgd", "lars", "lamb"])
def test_the_known_options_are_those_that_keras_takes(name):
    kinds = {"sgd": keras.optimizers.SGD, "lars": optimizers.LARS, "lamb": keras.optimizers.Lamb}
    taken = set(inspect.signature(kinds[name]).parameters) - {"learning_rate", "name", "kwargs"}
    known = set(limits.OWN_OPTIONS[name])
    if name != "lars":  # ours passes the others on
        known |= set(limits.COMMON_OPTIONS)
    assert taken == known


@pytest.mark.parametrize("options", [{"clipnorm": 1.0, "global_clipnorm": 1.0}])
def test_options_that_keras_does_not_take_are_an_error_in_one_line(options):
    with pytest.raises(InputError, match="optimizer_options is") as caught:
        optimizers.make_optimizer(Recipe(optimizer_options=options))
    assert "\n" not in str(caught.value)
