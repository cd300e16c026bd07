"""Reliability: scores beside frequencies."""

import numpy as np
import pytest

from bigearth.scores.calibration import measure_calibration_error, measure_reliability


def test_a_calibrated_network():
    rng = np.random.default_rng(0)
    score = rng.random((20000, 5))
    table = measure_reliability(rng.random(score.shape) < score, score)
    assert table.decisions.sum() == score.size and len(table) == 10
    assert (table.score.between(table.low, table.high)).all()
    assert measure_calibration_error(table) < 0.01


def test_an_overconfident_network():
    rng = np.random.default_rng(0)
    score = rng.random((20000, 5))
    table = measure_reliability(rng.random(score.shape) < score / 2, score)
    np.testing.assert_allclose(table.frequency, table.score / 2, atol=0.02)
    assert measure_calibration_error(table) == pytest.approx(0.25, abs=0.01)


def test_extreme_scores_and_empty_bins():
    table = measure_reliability(np.array([[0, 1, 1]]), np.array([[0.0, 1.0, 0.95]]), bins=10)
    assert table[["low", "decisions", "frequency"]].to_numpy().tolist() == [[0.0, 1, 0.0], [0.9, 2, 1.0]]
    assert measure_calibration_error(table) == pytest.approx((0 + 2 * 0.025) / 3)
