"""Scores of multi-label predictions, all derived from summed counts of right and wrong decisions.

A score without its average says little, so every function here takes or returns the average's name: ``micro`` (all
decisions in one pot), ``macro`` (plain mean over classes), ``weighted`` (mean over classes weighted by support),
``samples`` (mean over patches). A ratio whose denominator is zero counts as 0, as in scikit-learn's default.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth.errors import InputError

SPLITS = ("train", "validation", "test")
AVERAGES = ("micro", "macro", "weighted", "samples")
MEASURES = ("precision", "recall", "f1")
THRESHOLD = 0.5  # our choice: the paper names none


def decide(score, threshold=THRESHOLD):
    """Labels that a score assigns: 1 where it reaches the threshold (one number, or one per class)."""
    return (np.asarray(score) >= threshold).astype(np.uint8)


def counts(truth, predicted, axis=0):
    """True positives, false positives and false negatives.

    Parameters
    ----------
    truth, predicted : array (N, C) of 0 and 1
    axis : int
        0 counts per class, 1 per patch.

    Returns
    -------
    int64 array (3, C), or (3, N) for ``axis=1``
        Counts of parts of the data (ranks, batches) may be added before a ratio is taken.
    """
    truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
    hits = (truth & predicted).sum(axis)
    return np.stack([hits, predicted.sum(axis) - hits, truth.sum(axis) - hits]).astype(np.int64)


def precision_recall_f1(counts, average):
    """Precision, recall and F1 from counts.

    Parameters
    ----------
    counts : array (..., 3, C)
        As `counts` returns them; leading axes (bootstrap samples) are kept.
    average : "micro", "macro", "weighted" or None
        None returns one value per class. For ``samples``, give counts per patch and average over them by "macro".

    Returns
    -------
    tuple of three arrays (...), or (..., C) for ``average=None``
    """
    if average not in ("micro", "macro", "weighted", None):
        raise ValueError(f"average {average!r} is none of micro, macro, weighted, None")
    counts = np.asarray(counts, np.float64)
    if average == "micro":
        counts = counts.sum(axis=-1, keepdims=True)
    hits, false, missed = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    ratios = _ratio(hits, hits + false), _ratio(hits, hits + missed), _ratio(2 * hits, 2 * hits + false + missed)
    if average is None:
        return ratios
    weights = hits + missed if average == "weighted" else np.ones_like(hits)
    return tuple(_ratio((ratio * weights).sum(-1), weights.sum(-1)) for ratio in ratios)


def _ratio(numerator, denominator):
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
