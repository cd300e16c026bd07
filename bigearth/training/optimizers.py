"""Optimizers by name, and LARS as a Keras optimizer."""

from typing import Any

import keras
from keras import ops

from bigearth.errors import InputError
from bigearth.training.recipe import Recipe

MOMENTUM = 0.9  # the paper names Nesterov momentum, not its value


def make_optimizer(recipe: Recipe) -> keras.optimizers.Optimizer:
    """Make the optimizer of a recipe; the learning rate is set anew at every step.

    ``optimizer_options`` are passed on as they are: Keras' own ``global_clipnorm``, ``gradient_accumulation_steps``,
    ``weight_decay`` ... With "mixed_float16" the loss is scaled.

    Raises
    ------
    InputError
        Keras does not take the options.
    """
    kinds = {"sgd": keras.optimizers.SGD, "lars": LARS, "lamb": keras.optimizers.Lamb}
    options = dict(recipe.optimizer_options or {})
    if recipe.optimizer == "sgd":
        options = {"momentum": MOMENTUM, "nesterov": True} | options
    try:
        made = kinds[recipe.optimizer](**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"optimizer_options is {recipe.optimizer_options}: {' '.join(str(error).split())}") from None
    if recipe.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(made)
    return made


@keras.saving.register_keras_serializable("bigearth")
class LARS(keras.Optimizer):
    """Layer-wise adaptive rate scaling (You, Gitman, Ginsburg: Large batch training of convolutional networks, 2017).

    For each kernel w with gradient g: rate = learning_rate * trust * |w| / (|g| + decay * |w|), velocity =
    momentum * velocity + rate * (g + decay * w), w = w - velocity. Biases and BatchNorm's scales (one-dimensional)
    take the plain learning rate without decay, as is usual.

    Parameters
    ----------
    trust : float
        Trust coefficient (0.001 in the reference).
    decay : float
        Weight decay inside the update; the network's L2 penalty is part of g already, so the default is 0.
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        momentum: float = MOMENTUM,
        trust: float = 0.001,
        decay: float = 0.0,
        name: str = "lars",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.trust = trust
        self.decay = decay

    def build(self, variables: list) -> None:
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        velocity = self.velocities[self._get_variable_index(variable)]
        if len(variable.shape) > 1:
            weight_norm = ops.norm(ops.reshape(variable, (-1,)))
            gradient_norm = ops.norm(ops.reshape(gradient, (-1,)))
            scale = self.trust * weight_norm / (gradient_norm + self.decay * weight_norm + 1e-12)
            rate = rate * ops.where((weight_norm > 0) & (gradient_norm > 0), scale, 1.0)
            gradient = gradient + self.decay * variable
        self.assign(velocity, self.momentum * velocity + rate * gradient)
        self.assign_sub(variable, velocity)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"momentum": self.momentum, "trust": self.trust, "decay": self.decay}
