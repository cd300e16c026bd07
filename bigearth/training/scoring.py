"""Scoring a network: on a worker's share of a split, into the file of predictions, and on patches of a folder."""

import keras
import numpy as np
import tensorflow as tf

from bigearth import background
from bigearth.scores import metrics
from bigearth.training import batches, network


def scorer(team, model, data, keys, batch_size):
    """Function that scores this worker's share of a split.

    Returns
    -------
    callable
        rows of the split -> iterator over (truth, score, loss per patch) of batches of this worker's patches.
    """
    logits = keras.Model(model.input, model.get_layer("logits").output)

    @tf.function(autograph=False)
    def predict(features, truth):
        raw = logits(features, training=False)
        return tf.sigmoid(raw), network.binary_crossentropy(tf.cast(truth, tf.float32), raw)

    def score(rows):
        part = batches.share_of(rows, team.rank, team.size)
        for (features, truth), count in background.read_ahead(batches.evaluation_batches(data, keys, part, batch_size)):
            yield (truth[:count], *(result.numpy()[:count] for result in predict(features, truth)))

    return score


def validate(team, score, rows):
    """Mean loss and micro F1 of a split, from sums over all workers: exact for shares of any size."""
    sums = 0
    for truth, probability, loss in score(rows):
        counts = metrics.count_decisions(truth, metrics.assign_labels(probability))
        sums = sums + np.array([loss.sum(dtype=np.float64), len(loss), *counts.sum(axis=1)])
    loss, patches, *counts = team.sum(sums + np.zeros(5))
    return float(loss / patches), float(metrics.precision_recall_f1(np.array(counts)[:, None], "micro")[2])


def predict_split(team, score, rows, labels):
    """Truth (N, labels) and score (N, labels) of a split in row order, on every worker."""
    parts = [np.zeros((0, 2 * labels), np.float32)]
    parts += [np.concatenate([truth, probability], axis=1, dtype=np.float32) for truth, probability, _ in score(rows)]
    both = team.gather(np.concatenate(parts))
    return both[:, :labels].astype(np.uint8), both[:, labels:]
