"""One training step, compiled: augment, forward, backward, all-reduce, update."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bigearth.training import augmentation, network
from bigearth.training.recipe import Recipe
from bigearth.training.team import Team


def compile_step(
    team: Team,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    recipe: Recipe,
    positive_weight: np.ndarray | None = None,
) -> Callable[..., tuple]:
    """Compile the step of one worker.

    Parameters
    ----------
    team : Team
    model, optimizer
        As `bigearth.training.network.build` and `bigearth.training.optimizers.make_optimizer` make them.
    recipe : Recipe
        Its augment, mixup and jit_compile.
    positive_weight : array (labels,), optional
        See `bigearth.training.network.binary_crossentropy`.

    Returns
    -------
    callable
        (features, truth, seed int32 (2,), learning rate, stop flag, timed) -> loss and stop flag as means of all
        workers, and the times (s since the epoch) at which this worker's gradients were computed and everybody's were
        here; 0 where not ``timed``, since the clock makes Python wait for a GPU's queue.
    """
    logits = keras.Model(model.input, model.get_layer("logits").output)
    random = keras.random.SeedGenerator(0)
    mixing = keras.layers.MixUp(recipe.mixup, seed=0, dtype="float32")
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout) and layer.rate]
    generators = [random] + [layer.seed_generator for layer in dropouts]
    # raw TensorFlow variables: the all-reduce and the tape know no Keras variables
    variables = [variable.value for variable in model.trainable_variables]

    # an all-reduce has no XLA kernel on CPUs: XLA compiles this inner part alone
    @tf.function(autograph=False, jit_compile=recipe.jit_compile)
    def compute_gradients(features: Any, truth: Any) -> tuple:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network.binary_crossentropy(truth, logits(features, training=True), positive_weight))
            total = optimizer.scale_loss(tf.add_n([loss, *logits.losses]))
        return loss, tape.gradient(total, variables)

    @tf.function(autograph=False)
    def step(features: Any, truth: Any, seed: Any, rate: Any, stop: Any, timed: bool = True) -> tuple:
        for generator in generators:
            generator.state.assign(seed)

        # augment
        features = {key: tf.cast(x, tf.float32) for key, x in features.items()}
        truth = tf.cast(truth, tf.float32)
        if recipe.augment:
            features = augmentation.rotate_and_flip(features, random)
        if recipe.mixup:
            features, truth = augmentation.mix_up(features, truth, mixing, random)

        # forward, backward
        loss, local = compute_gradients(features, truth)

        # all-reduce, one by one: Horovod sends the gradients of the last layers while those of the first are computed.
        # The clock stands before it: where mpi4py does it, TensorFlow keeps the order of these lines.
        computed = _read_clock(local) if timed else tf.zeros([], tf.float64)
        reduced = [team.average(gradient, f"gradient{i}") for i, gradient in enumerate(local)]
        mean_loss, stopping = tf.unstack(team.average(tf.stack([loss, stop]), "loss_and_stop"))
        received = _read_clock(reduced) if timed else tf.zeros([], tf.float64)

        # update
        optimizer.learning_rate.assign(rate)
        optimizer.apply(reduced, model.trainable_variables)
        return mean_loss, stopping, computed, received

    return step


def _read_clock(tensors: list) -> tf.Tensor:
    """Time at which the tensors are there; handing one over to Python waits for a GPU's queue."""
    with tf.control_dependencies(tensors):  # tf.timestamp would refuse to work where operations are deterministic
        return tf.numpy_function(lambda _: time.time(), [tf.reshape(tensors[0], [-1])[0]], tf.float64)
