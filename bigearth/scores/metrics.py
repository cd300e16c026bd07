"""Scores of multi-label predictions, all derived from summed counts of right and wrong decisions.

A score without its average says little, so every function here takes or returns the average's name: ``micro`` (all
decisions in one pot), ``macro`` (plain mean over classes), ``weighted`` (mean over classes weighted by support),
``samples`` (mean over patches). A ratio whose denominator is zero counts as 0, as in scikit-learn's default.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

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


def average_precision(truth, score, average=None):
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
    per_class = [average_precision_score(t, s) if t.any() else 0.0 for t, s in zip(truth.T, score.T, strict=True)]
    return np.array(per_class) if average is None else float(np.mean(per_class))


def best_thresholds(truth, score):
    """Per class, the threshold with the highest F1; to be chosen on the validation split, never on the scored one.

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
        order = np.argsort(-score[:, c], kind="stable")
        ranked = score[order, c].astype(np.float64)
        f1 = 2 * np.cumsum(truth[order, c], dtype=float) / (np.arange(1, len(order) + 1) + truth[:, c].sum())
        below = np.append(ranked[1:], -1.0)
        f1[ranked == below] = -1  # equal scores are decided alike
        best = f1.argmax()
        thresholds[c] = max(0.0, (ranked[best] + below[best]) / 2)
    return thresholds


def best_constant(truth):
    """The one set of labels which, given to every patch, has the highest micro F1: the floor for any model.

    Parameters
    ----------
    truth : array (N, C)
        Of the split that the set is chosen on.

    Returns
    -------
    uint8 array (C,)
    """
    support = np.sum(truth, axis=0, dtype=np.int64)
    order = np.argsort(-support, kind="stable")
    given = np.arange(1, len(order) + 1) * len(truth)
    size = np.argmax(2 * np.cumsum(support[order]) / np.maximum(given + support.sum(), 1)) + 1
    return np.isin(np.arange(len(order)), order[:size]).astype(np.uint8)


def bootstrap(truth, predicted, samples=1000, seed=0, chunk=50):
    """Resample patches with replacement and count anew.

    Drawing N of N patches only sets how often each patch counts, so all samples are one matrix product: multiplicities
    (samples x N) times what each patch adds. The same seed draws the same patches, which makes models comparable pair
    by pair.

    Parameters
    ----------
    truth, predicted : arrays (N, C) of 0 and 1
    samples, seed, chunk : int
        Number of samples; of the draw; samples per product (50 need 200 bytes a patch).

    Returns
    -------
    counts : float64 array (samples, 3, C)
        For `precision_recall_f1`; exact below 2^24 patches.
    per_patch : float64 array (samples, 3)
        Precision, recall and F1 averaged over patches ("samples").
    """
    truth, predicted = np.asarray(truth, bool), np.asarray(predicted, bool)
    rows, classes = truth.shape
    ratios = precision_recall_f1(counts(truth, predicted, axis=1), None)
    parts = [truth & predicted, ~truth & predicted, truth & ~predicted, np.stack(ratios, axis=1)]
    values = np.concatenate(parts, axis=1, dtype=np.float32)
    generator, sums = np.random.default_rng(seed), []
    for start in range(0, samples, chunk):
        draws = (generator.integers(0, rows, rows) for _ in range(min(chunk, samples - start)))
        sums.append(np.array([np.bincount(draw, minlength=rows) for draw in draws], np.float32) @ values)
    sums = np.concatenate(sums).astype(np.float64)
    return sums[:, : 3 * classes].reshape(-1, 3, classes), sums[:, 3 * classes :] / rows


def global_scores(truth, predicted, resampled=None):
    """All averages of precision, recall and F1.

    Parameters
    ----------
    truth, predicted : arrays (N, C) of 0 and 1
    resampled : result of `bootstrap`, optional
        Adds the bounds of the 95 % interval as columns ``low`` and ``high``.

    Returns
    -------
    DataFrame
        One row per average and measure: average, measure, value (, low, high).
    """
    rows = []
    for average in AVERAGES:
        if average == "samples":
            values = precision_recall_f1(counts(truth, predicted, axis=1), "macro")
            drawn = resampled and resampled[1].T
        else:
            values = precision_recall_f1(counts(truth, predicted), average)
            drawn = resampled and precision_recall_f1(resampled[0], average)
        rows += _rows({"average": average}, values, drawn)
    return pd.DataFrame(rows)


def class_scores(truth, predicted, labels, resampled=None):
    """Precision, recall and F1 per class, as `global_scores`: label, support, measure, value (, low, high)."""
    values = precision_recall_f1(counts(truth, predicted), None)
    drawn = resampled and precision_recall_f1(resampled[0], None)
    rows = []
    for c, label in enumerate(labels):
        support = {"label": label, "support": int(np.sum(truth[:, c], dtype=np.int64))}
        rows += _rows(support, [v[c] for v in values], drawn and [d[:, c] for d in drawn])
    return pd.DataFrame(rows)


def _rows(head, values, drawn):
    rows = [head | {"measure": measure, "value": float(value)} for measure, value in zip(MEASURES, values, strict=True)]
    if drawn is not None:
        for row, sample in zip(rows, drawn, strict=True):
            row["low"], row["high"] = (float(bound) for bound in np.quantile(sample, [0.025, 0.975]))
    return rows
