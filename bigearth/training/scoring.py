"""Scoring a network: each worker scores its share of a split, and all put theirs together."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bigearth.background import read_ahead
from bigearth.cube.reading import Cube
from bigearth.scores import metrics
from bigearth.training import batches, network
from bigearth.training.team import Team

Score = Callable[[range], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]


def make_scorer(team: Team, model: keras.Model, cube: Cube, keys: Sequence[str], batch_size: int) -> Score:
    """Make the function that scores this worker's share of a split.

    Returns
    -------
    callable
        rows of the split -> iterator over (truth, score, loss per patch) of batches of this worker's patches.
    """
    logits = keras.Model(model.input, model.get_layer("logits").output)

    @tf.function(autograph=False)
    def predict(features: Any, truth: Any) -> tuple:
        raw = logits(features, training=False)
        return tf.sigmoid(raw), network.binary_crossentropy(tf.cast(truth, tf.float32), raw)

    def score(rows: range) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        share = batches.find_share(rows, team.rank, team.size)
        for (features, truth), count in read_ahead(batches.read_scoring_batches(cube, keys, share, batch_size)):
            probability, loss = predict(features, truth)
            yield truth[:count], probability.numpy()[:count], loss.numpy()[:count]

    return score


def validate(team: Team, score: Score, rows: range) -> tuple[float, float]:
    """Mean loss and micro F1 of a split, from sums over all workers: exact for shares of any size."""
    sums = np.zeros(5)  # loss, patches, true positives, false positives, false negatives
    for truth, probability, loss in score(rows):
        counts = metrics.count_decisions(truth, metrics.assign_labels(probability))
        sums = sums + np.array([loss.sum(dtype=np.float64), len(loss), *counts.sum(axis=1)])
    loss, patches, *totals = team.sum(sums)
    f1 = metrics.precision_recall_f1(np.array(totals)[:, None], "micro")[2]
    return float(loss / patches), float(f1)


def predict_split(team: Team, score: Score, rows: range, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth (N, labels) and score (N, labels) of a split in row order, on every worker."""
    tables = [np.zeros((0, 2 * labels), np.float32)]
    for truth, probability, _ in score(rows):
        tables.append(np.concatenate([truth, probability], axis=1, dtype=np.float32))
    both = team.gather(np.concatenate(tables))
    return both[:, :labels].astype(np.uint8), both[:, labels:]
