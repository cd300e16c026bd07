"""Calibration of scores: of the decisions with a score of 0.7, the label should hold for 70 %."""

import numpy as np
import pandas as pd

BINS = 10


def measure_reliability(truth: np.ndarray, score: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Compare scores with frequencies, in bins of equal width, all labels pooled.

    Parameters
    ----------
    truth : array (N, C) of 0 and 1
    score : array (N, C) in 0 ... 1
    bins : int

    Returns
    -------
    DataFrame [low, high, decisions, score, frequency]
        One row per bin that holds a decision: its bounds, how many decisions it holds, their mean score, and how often
        the label was true. In a calibrated network the two are equal (Niculescu-Mizil and Caruana 2005).
    """
    score = np.asarray(score, np.float64).ravel()
    truth = np.asarray(truth, np.float64).ravel()
    # a score of 1 belongs to the last bin
    index = np.minimum((score * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    held = np.flatnonzero(counts)
    return pd.DataFrame(
        {
            "low": held / bins,
            "high": (held + 1) / bins,
            "decisions": counts[held],
            "score": np.bincount(index, score, bins)[held] / counts[held],
            "frequency": np.bincount(index, truth, bins)[held] / counts[held],
        }
    )


def measure_calibration_error(reliability: pd.DataFrame) -> float:
    """Expected calibration error (Naeini et al. 2015): the mean gap between score and frequency, over decisions."""
    gap = (reliability["score"] - reliability["frequency"]).abs()
    return float(np.average(gap, weights=reliability["decisions"]))
