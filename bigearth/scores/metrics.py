"""Scores of multi-label predictions, all derived from summed counts of right and wrong decisions.

A score without its average says little, so every function here takes or returns the average's name: ``micro`` (all
decisions pooled), ``macro`` (plain mean over classes), ``weighted`` (mean over classes weighted by support),
``samples`` (mean over patches). A ratio whose denominator is zero counts as 0, as in scikit-learn's default.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, precision_recall_curve

AVERAGES = ("micro", "macro", "weighted", "samples")
MEASURES = ("precision", "recall", "f1")
# our choice: the paper names none
THRESHOLD = 0.5
# the middle 95 %
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Resampled:
    """Counts of bootstrap samples.

    Attributes
    ----------
    counts : float64 array (samples, 3, C)
        For `precision_recall_f1`; exact below 2^24 patches.
    per_patch : float64 array (samples, 3)
        Precision, recall and F1 averaged over patches ("samples").
    whole : int64 array (3, C)
        Counts of all patches.
    """

    counts: np.ndarray
    per_patch: np.ndarray
    whole: np.ndarray

    def score(self, average: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Precision, recall and F1 of each sample, as `precision_recall_f1`.

        Of a class that no drawn patch carries a sample says nothing: there the class keeps its score of all patches.
        Counted as 0, as in the score of all patches, it would pull every macro average down: with many rare classes the
        interval would lie below the very value that it belongs to.
        """
        if average in ("micro", "weighted"):  # such a class hardly counts, or not at all
            return precision_recall_f1(self.counts, average)
        is_absent = self.counts[:, [0]] + self.counts[:, [2]] == 0
        return precision_recall_f1(np.where(is_absent, self.whole, self.counts), average)


def assign_labels(score: np.ndarray, threshold: float | np.ndarray = THRESHOLD) -> np.ndarray:
    """Assign a label where its score reaches the threshold (one number, or one per class): uint8 array of 0 and 1."""
    return (np.asarray(score) >= threshold).astype(np.uint8)


def count_decisions(truth: np.ndarray, predicted: np.ndarray, axis: int = 0) -> np.ndarray:
    """Count true positives, false positives and false negatives.

    Parameters
    ----------
    truth, predicted : array (N, C) of 0 and 1
    axis : int
        0 counts per class, 1 per patch.

    Returns
    -------
    int64 array (3, C), or (3, N) for ``axis=1``
        Counts of subsets of the data (ranks, batches) may be added before a ratio is taken.
    """
    truth = np.asarray(truth, bool)
    predicted = np.asarray(predicted, bool)
    hits = (truth & predicted).sum(axis)
    false = predicted.sum(axis) - hits
    missed = truth.sum(axis) - hits
    return np.stack([hits, false, missed]).astype(np.int64)


def precision_recall_f1(counts: np.ndarray, average: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 from counts.

    Parameters
    ----------
    counts : array (..., 3, C)
        As `count_decisions` returns them; leading axes (bootstrap samples) are kept.
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
    precision = _divide(hits, hits + false)
    recall = _divide(hits, hits + missed)
    f1 = _divide(2 * hits, 2 * hits + false + missed)
    if average is None:
        return precision, recall, f1
    weights = hits + missed if average == "weighted" else np.ones_like(hits)
    return (
        _average_classes(precision, weights),
        _average_classes(recall, weights),
        _average_classes(f1, weights),
    )


def _average_classes(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _divide((values * weights).sum(-1), weights.sum(-1))


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Ratios, 0 where the denominator is."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def average_precision(truth: np.ndarray, score: np.ndarray, average: str | None = None) -> Any:
    """Area under the precision-recall curve by steps, as scikit-learn defines it.

    Parameters
    ----------
    truth : array (N, C) of 0 and 1
    score : array (N, C)
    average : "micro", "macro" or None (one value per class)

    Returns
    -------
    float, or array (C,)
        0 for a class without support; it counts in the macro average, as in scikit-learn.
    """
    if average == "micro":
        return average_precision(np.reshape(truth, (-1, 1)), np.reshape(score, (-1, 1)))[0]
    per_class = np.zeros(truth.shape[1])
    for c in np.flatnonzero(truth.any(axis=0)):
        per_class[c] = average_precision_score(truth[:, c], score[:, c])
    return per_class if average is None else float(per_class.mean())


def choose_thresholds(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Choose, per class, the threshold with the highest F1: on the validation split, never on the scored one.

    Parameters
    ----------
    truth, score : arrays (N, C)

    Returns
    -------
    array (C,)
        Halfway between two neighbouring scores (0: always assigned); 0.5 for a class without support.
    """
    thresholds = np.full(truth.shape[1], THRESHOLD)
    for c in np.flatnonzero(truth.any(axis=0)):
        precision, recall, candidates = precision_recall_curve(truth[:, c], score[:, c].astype(np.float64))
        # the curve's last point belongs to no candidate
        both = precision[:-1] + recall[:-1]
        # rounded: F1 that are equal as fractions must be equal here
        f1 = np.round(_divide(2 * precision[:-1] * recall[:-1], both), 12)
        # candidates grow; of equal F1 the highest threshold is taken
        best = len(f1) - 1 - np.argmax(f1[::-1])
        below = candidates[best - 1] if best > 0 else -1.0
        thresholds[c] = max(0.0, (candidates[best] + below) / 2)
    return thresholds


def compare_thresholds(truth: np.ndarray, score: np.ndarray, thresholds: np.ndarray) -> pd.DataFrame:
    """F1 at one threshold per class beside F1 at 0.5, in all averages, and average precision.

    Returns
    -------
    DataFrame
        ``average, F1, threshold per class, F1, threshold 0.5, change, average precision`` (micro and macro only).
    """
    at_half = score_overall(truth, assign_labels(score)).set_index(["average", "measure"])["value"]
    at_own = score_overall(truth, assign_labels(score, thresholds)).set_index(["average", "measure"])["value"]
    rows = []
    for average in AVERAGES:
        row = {"average": average, "F1, threshold per class": at_own[average, "f1"]}
        row["F1, threshold 0.5"] = at_half[average, "f1"]
        row["change"] = row["F1, threshold per class"] - row["F1, threshold 0.5"]
        row["average precision"] = np.nan
        if average in ("micro", "macro"):
            row["average precision"] = average_precision(truth, score, average)
        rows.append(row)
    return pd.DataFrame(rows)


def choose_constant_labels(truth: np.ndarray) -> np.ndarray:
    """The one set of labels which, given to every patch, has the highest micro F1: the floor for any model.

    Parameters
    ----------
    truth : array (N, C)
        Of the split that the set is chosen on.

    Returns
    -------
    uint8 array (C,)
    """
    support = truth.sum(axis=0, dtype=np.int64)
    frequent_first = np.argsort(-support, kind="stable")
    # micro F1 of the 1, 2 ... C most frequent labels
    given = np.arange(1, len(support) + 1) * len(truth)
    hits = np.cumsum(support[frequent_first])
    f1 = 2 * hits / np.maximum(given + support.sum(), 1)
    chosen = np.zeros(len(support), np.uint8)
    chosen[frequent_first[: np.argmax(f1) + 1]] = 1
    return chosen


def resample_patches(
    truth: np.ndarray, predicted: np.ndarray, samples: int = 1000, seed: int = 0, chunk: int = 50
) -> Resampled:
    """Resample patches with replacement (bootstrap) and count anew.

    Drawing N of N patches only sets how often each patch counts, so all samples are one matrix product: multiplicities
    (samples x N) times what each patch adds. The same seed draws the same patches, which makes models comparable pair
    by pair.

    Parameters
    ----------
    truth, predicted : arrays (N, C) of 0 and 1
    samples : int
        Number of samples.
    seed : int
        Of the draws.
    chunk : int
        Samples per product; 50 need 200 bytes per patch.
    """
    truth = np.asarray(truth, bool)
    predicted = np.asarray(predicted, bool)
    rows, classes = truth.shape

    # what each patch adds: hits, false and missed labels per class; and its own precision, recall and F1
    added = [truth & predicted, ~truth & predicted, truth & ~predicted]
    values = np.concatenate(added, axis=1, dtype=np.float32)
    ratios = np.stack(precision_recall_f1(count_decisions(truth, predicted, axis=1), None), axis=1)

    generator = np.random.default_rng(seed)
    counts, per_patch = [], []
    for start in range(0, samples, chunk):
        multiplicities = []
        for _ in range(min(chunk, samples - start)):
            drawn = generator.integers(0, rows, rows)
            multiplicities.append(np.bincount(drawn, minlength=rows))
        counts.append(np.array(multiplicities, np.float32) @ values)
        per_patch.append(np.array(multiplicities, np.float64) @ ratios / rows)
    return Resampled(
        counts=np.concatenate(counts).astype(np.float64).reshape(-1, 3, classes),
        per_patch=np.concatenate(per_patch),
        whole=count_decisions(truth, predicted),
    )


def score_overall(truth: np.ndarray, predicted: np.ndarray, resampled: Resampled | None = None) -> pd.DataFrame:
    """All averages of precision, recall and F1.

    Parameters
    ----------
    truth, predicted : arrays (N, C) of 0 and 1
    resampled : Resampled, optional
        Adds the bounds of the 95 % interval as columns ``low`` and ``high``.

    Returns
    -------
    DataFrame
        One row per average and measure: average, measure, value (, low, high).
    """
    rows = []
    for average in AVERAGES:
        drawn = None
        if average == "samples":
            values = precision_recall_f1(count_decisions(truth, predicted, axis=1), "macro")
            if resampled:
                drawn = resampled.per_patch.T
        else:
            values = precision_recall_f1(count_decisions(truth, predicted), average)
            if resampled:
                drawn = np.stack(resampled.score(average))
        for i, measure in enumerate(MEASURES):
            row = {"average": average, "measure": measure, "value": float(values[i])}
            if drawn is not None:
                row |= _find_interval(drawn[i])
            rows.append(row)
    return pd.DataFrame(rows)


def score_classes(
    truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str], resampled: Resampled | None = None
) -> pd.DataFrame:
    """Precision, recall and F1 per class, as `score_overall`: label, support, measure, value (, low, high)."""
    values = precision_recall_f1(count_decisions(truth, predicted), None)
    drawn = resampled.score(None) if resampled else None
    rows = []
    for c, label in enumerate(labels):
        support = int(np.sum(truth[:, c], dtype=np.int64))
        for i, measure in enumerate(MEASURES):
            row = {"label": label, "support": support, "measure": measure, "value": float(values[i][c])}
            if drawn is not None:
                row |= _find_interval(drawn[i][:, c])
            rows.append(row)
    return pd.DataFrame(rows)


def _find_interval(drawn: np.ndarray) -> dict[str, float]:
    """Bounds of the middle 95 % of bootstrap samples."""
    low, high = np.quantile(drawn, INTERVAL)
    return {"low": float(low), "high": float(high)}
