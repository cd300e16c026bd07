"""Optimizers by name, and LARS as a Keras optimizer."""

import keras
from keras import ops

MOMENTUM = 0.9  # the paper names Nesterov momentum, not its value


def optimizer(name="sgd", options=None, precision="float32"):
    """Optimizer of a run; the learning rate is set anew at every step.

    Parameters
    ----------
    name : "sgd" (Nesterov momentum 0.9, the paper's), "lars" or "lamb"
    options : dict, optional
        Passed on as they are: Keras' own ``global_clipnorm``, ``gradient_accumulation_steps``, ``weight_decay`` ...
    precision : str
        "mixed_float16" needs its loss scaled.

    Returns
    -------
    keras.Optimizer
    """
    made = {
        "sgd": lambda **kw: keras.optimizers.SGD(**{"momentum": MOMENTUM, "nesterov": True} | kw),
        "lars": LARS,
        "lamb": keras.optimizers.Lamb,
    }[name](**options or {})
    return keras.optimizers.LossScaleOptimizer(made) if precision == "mixed_float16" else made


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

    def __init__(self, learning_rate=0.1, momentum=MOMENTUM, trust=0.001, decay=0.0, name="lars", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum, self.trust, self.decay = momentum, trust, decay

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient, variable, learning_rate):
        rate, gradient = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        velocity = self.velocities[self._get_variable_index(variable)]
        if len(variable.shape) > 1:
            weight_norm, gradient_norm = (ops.norm(ops.reshape(x, (-1,))) for x in (variable, gradient))
            scale = self.trust * weight_norm / (gradient_norm + self.decay * weight_norm + 1e-12)
            rate = rate * ops.where((weight_norm > 0) & (gradient_norm > 0), scale, 1.0)
            gradient = gradient + self.decay * variable
        self.assign(velocity, self.momentum * velocity + rate * gradient)
        self.assign_sub(variable, velocity)

    def get_config(self):
        return super().get_config() | {"momentum": self.momentum, "trust": self.trust, "decay": self.decay}
