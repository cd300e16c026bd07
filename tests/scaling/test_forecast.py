"""Predictions for later machines."""

import pytest

from bigearth.scaling.forecast import CASES, MACHINES, compare_remedies, find_scaling_ends, predict_epochs


def test_every_machine_case_and_number_of_gpus_is_predicted():
    predicted = predict_epochs(gpus=(1, 64, 1024))
    assert len(predicted) == 3 * len(MACHINES) * len(CASES)
    assert predicted["efficiency"].between(0, 1.001).all()
    assert (predicted["low_s"] <= predicted["epoch_s"]).all() and (predicted["epoch_s"] <= predicted["high_s"]).all()
    limited = predicted[predicted["case"] == "in memory, batch below 8,192"]
    assert limited["global_batch"].max() < 8192


def test_scaling_ends_at_the_first_point_below_half():
    predicted = predict_epochs(machines=("h100",), gpus=(1, 16, 64, 256, 1024))
    ends = find_scaling_ends(predicted).set_index("case")
    assert ends.loc["shared file system", "gpus"] == 64 and ends.loc["shared file system", "limit"] == "input"
    assert "archive in memory" not in ends.index
    batches = ends["global_batch"] >= 8192
    assert (ends["8,192 or more"] == "yes").tolist() == batches.tolist()


def test_remedies_buy_what_the_model_says():
    gain = compare_remedies(machines=("juwels", "h100")).set_index("remedy")
    # all else waits for the file system: half the bytes, half the time
    assert gain.loc["native bands instead of data_super", "h100"] == pytest.approx(345_600 / 160_000)
    assert (gain >= 1).all(axis=None) and gain.loc["half the overhead of a step", "juwels"] == 1
