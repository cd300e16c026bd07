"""One training step, compiled: augment, forward, backward, all-reduce, update."""

import time

import keras
import tensorflow as tf

from bigearth.training import augmentation, network


def compile_step(team, model, optimizer, augment=True, mixup=0.2, jit_compile=False, positive_weight=None):
    """Compile the step of one worker.

    Parameters
    ----------
    team : bigearth.training.team.Team
    model, optimizer : as `bigearth.training.network.build` and `bigearth.training.optimizers.optimizer` make them
    augment, mixup, jit_compile
        See `bigearth.training.loop.train`.
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
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout) and layer.rate]
    seeds = [random] + [layer.seed_generator for layer in dropouts]
    # raw TensorFlow variables: Horovod and the tape know no Keras variables
    variables = [variable.value for variable in model.trainable_variables]

    # Horovod's operations have no XLA kernel on CPUs: XLA compiles this inner part alone
    @tf.function(autograph=False, jit_compile=jit_compile)
    def gradients(features, truth):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network.binary_crossentropy(truth, logits(features, training=True), positive_weight))
            total = optimizer.scale_loss(tf.add_n([loss, *logits.losses]))
        return loss, tape.gradient(total, variables)

    @tf.function(autograph=False)
    def step(features, truth, seed, rate, stop, timed=True):
        for generator in seeds:
            generator.state.assign(seed)
        features = {key: tf.cast(x, tf.float32) for key, x in features.items()}
        truth = tf.cast(truth, tf.float32)
        if augment:
            features = augmentation.rotate_and_flip(features, random)
        if mixup:
            features, truth = augmentation.mix_up(features, truth, mixup, random)
        loss, local = gradients(features, truth)
        # one by one: Horovod sends the gradients of the last layers while those of the first are being computed
        reduced = [team.average(gradient, f"gradient{i}") for i, gradient in enumerate(local)]
        mean_loss, stopping = tf.unstack(team.average(tf.stack([loss, stop]), "loss_and_stop"))
        computed, received = (_moment(local), _moment(reduced)) if timed else (tf.zeros([], tf.float64),) * 2
        optimizer.learning_rate.assign(rate)
        optimizer.apply(reduced, model.trainable_variables)
        return mean_loss, stopping, computed, received

    return step


def _moment(tensors):
    """Time at which the tensors are there; handing one over to Python waits for a GPU's queue."""
    with tf.control_dependencies(tensors):  # tf.timestamp would refuse to work where operations are deterministic
        return tf.numpy_function(lambda _: time.time(), [tf.reshape(tensors[0], [-1])[0]], tf.float64)
