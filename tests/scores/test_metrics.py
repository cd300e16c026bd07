"""Scores against scikit-learn, on random and on degenerate decisions; thresholds; bootstrap."""

import warnings

import numpy as np
import pytest
from sklearn import metrics

from bigearth.scores import metrics as scores


def _case(name):
    generator = np.random.default_rng(3)
    shape = {"one patch": (1, 6), "one class": (40, 1)}.get(name, (200, 9))
    truth = (generator.random(shape) < 0.3).astype(np.uint8)
    score = generator.random(shape).round(2)  # rounded: equal scores occur
    if name == "no positives":
        truth[:] = 0
    if name == "no predictions":
        score = score / 2 - 0.01
    if name == "empty classes":
        truth[:, 2] = 0
        score[:, 4] = 0
        truth[:, 5], score[:, 5] = 0, 0
    return truth, score


CASES = ("random", "no positives", "no predictions", "empty classes", "one class", "one patch")


@pytest.mark.parametrize("name", CASES)
def test_precision_recall_f1_equal_scikit_learn(name):
    truth, score = _case(name)
    predicted = scores.assign_labels(score)
    found = scores.score_overall(truth, predicted).set_index(["average", "measure"])["value"]
    for average in scores.AVERAGES:
        if truth.shape[1] == 1 and average == "samples":
            continue  # scikit-learn takes one column for a binary problem, which has no such average
        name = "binary" if truth.shape[1] == 1 else average
        expected = metrics.precision_recall_fscore_support(truth, predicted, average=name, zero_division=0)
        assert found[average].to_numpy() == pytest.approx(expected[:3], abs=1e-12), average
    expected = [
        metrics.precision_recall_fscore_support(t, p, average="binary", zero_division=0)[:3]
        for t, p in zip(truth.T, predicted.T, strict=True)
    ]
    labels = [str(c) for c in range(truth.shape[1])]
    table = scores.score_classes(truth, predicted, labels)
    assert table["value"].to_numpy() == pytest.approx(np.ravel(expected), abs=1e-12)
    assert table["support"].to_numpy()[::3].tolist() == truth.sum(axis=0).tolist()


@pytest.mark.parametrize("name", CASES)
def test_average_precision_equals_scikit_learn(name):
    truth, score = _case(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes without support
        for average in ("micro", "macro"):
            expected = metrics.average_precision_score(truth, score, average=average)
            assert scores.average_precision(truth, score, average) == pytest.approx(expected, abs=1e-12)
    assert scores.average_precision(truth, score)[truth.sum(axis=0) == 0].sum() == 0


def test_counts_may_be_added():
    truth, score = _case("random")
    predicted = scores.assign_labels(score)
    parts = scores.count_decisions(truth[:70], predicted[:70]) + scores.count_decisions(truth[70:], predicted[70:])
    assert (parts == scores.count_decisions(truth, predicted)).all()
    assert parts.sum() == (truth | predicted).sum()


def test_unknown_average():
    with pytest.raises(ValueError, match="average 'mean'"):
        scores.precision_recall_f1(np.ones((3, 2)), "mean")


def test_best_thresholds_are_the_best():
    truth, score = _case("empty classes")
    chosen = scores.choose_thresholds(truth, score)
    best = scores.precision_recall_f1(scores.count_decisions(truth, scores.assign_labels(score, chosen)), None)[2]
    for threshold in np.linspace(0, 1, 401):
        other = scores.precision_recall_f1(scores.count_decisions(truth, scores.assign_labels(score, threshold)), None)[
            2
        ]
        assert (best >= other - 1e-12).all(), threshold
    assert chosen[2] == scores.THRESHOLD  # a class without support


def test_bootstrap_counts_what_was_drawn():
    truth, score = _case("random")
    predicted = scores.assign_labels(score)
    resampled = scores.resample_patches(truth, predicted, samples=7, seed=5, chunk=3)
    generator = np.random.default_rng(5)
    for sample in range(7):
        rows = generator.integers(0, len(truth), len(truth))
        assert (resampled.counts[sample] == scores.count_decisions(truth[rows], predicted[rows])).all()
        expected = metrics.f1_score(truth[rows], predicted[rows], average="samples", zero_division=0)
        assert resampled.per_patch[sample, 2] == pytest.approx(expected, abs=1e-6)


def test_interval_of_a_known_proportion():
    generator = np.random.default_rng(1)
    truth = np.ones((400, 1), np.uint8)
    predicted = (generator.random((400, 1)) < 0.7).astype(np.uint8)
    table = scores.score_overall(truth, predicted, scores.resample_patches(truth, predicted))
    recall = table.set_index(["average", "measure"]).loc[("micro", "recall")]
    expected = 1.96 * np.sqrt(recall["value"] * (1 - recall["value"]) / 400)
    assert (recall["high"] - recall["low"]) / 2 == pytest.approx(expected, rel=0.15)
    assert recall["low"] < recall["value"] < recall["high"]


@pytest.mark.parametrize("right", [0.5, 0.8, 1.0])
def test_intervals_hold_their_own_value_where_most_classes_are_rare(right):
    """Half of the 40 classes have one or two patches: a sample lacks a third of these."""
    generator = np.random.default_rng(1)
    truth = np.zeros((300, 40), np.uint8)
    for c in range(40):
        truth[generator.choice(300, 1 + c % 2 if c < 20 else 60, replace=False), c] = 1
    is_right = generator.random(truth.shape) < np.where(truth, right, 0.97 + 0.03 * (right == 1))
    predicted = np.where(is_right, truth, 1 - truth).astype(np.uint8)
    resampled = scores.resample_patches(truth, predicted, samples=500, seed=2)
    overall = scores.score_overall(truth, predicted, resampled)
    classes = scores.score_classes(truth, predicted, [str(c) for c in range(40)], resampled)
    for table in (overall, classes):
        assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()
    if right == 1.0:  # what absent classes do where they count as 0
        assert scores.precision_recall_f1(resampled.counts, "macro")[2].max() < 1


def test_a_class_that_a_sample_lacks_keeps_its_score():
    truth, score = _case("empty classes")
    predicted = scores.assign_labels(score)
    resampled = scores.resample_patches(truth, predicted, samples=3, seed=5)
    lacking = resampled.counts.copy()
    lacking[1, :, 3] = [0, 7, 0]
    f1 = scores.Resampled(lacking, resampled.per_patch, resampled.whole).score(None)[2]
    whole = scores.precision_recall_f1(resampled.whole, None)[2]
    assert f1[1, 3] == whole[3] > 0 and f1[0, 3] == resampled.score(None)[2][0, 3]
    assert (f1[:, 2] == 0).all()  # no patch at all carries it


def test_best_constant():
    truth, _ = _case("random")
    truth[:, 3] |= truth[:, 1]
    best = scores.choose_constant_labels(truth)
    found = scores.precision_recall_f1(scores.count_decisions(truth, np.tile(best, (len(truth), 1))), "micro")[2]
    for bits in range(2**9):
        other = np.array([bits >> c & 1 for c in range(9)], np.uint8)
        f1 = scores.precision_recall_f1(scores.count_decisions(truth, np.tile(other, (len(truth), 1))), "micro")[2]
        assert found >= f1 - 1e-12
