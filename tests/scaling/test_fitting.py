"""Fits of the step model: known parameters come back."""

import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.scaling.fitting import fit_parameters, predict_left_out
from bigearth.scaling.machines import describe_machine
from bigearth.scaling.step_model import time_step
from tests.step_simulation import simulate_steps


def test_fit_leave_one_out_and_what_points_cannot_say():
    p = describe_machine("juwels")
    k = np.array([4, 8, 16, 32, 64])
    times = time_step(k, p | {"seconds_per_image": 0.002})["step"].to_numpy()
    fitted, intervals = fit_parameters(k, times, p, ["seconds_per_image"])
    assert fitted["seconds_per_image"] == pytest.approx(0.002, rel=1e-3)
    assert predict_left_out(k, times, p, ["seconds_per_image"]) == pytest.approx(times, rel=1e-3)
    # one node only: the link between nodes is never used
    _, intervals = fit_parameters([1, 2, 3, 4], times[:4], p, ["seconds_per_image", "link_between"])
    assert np.isinf(intervals["high"][1])
    with pytest.raises(InputError, match="points cannot tell"):
        fit_parameters([4], [1.0], p, ["seconds_per_image"])


def test_fitted_parameters_of_simulated_data_come_back_within_their_intervals():
    truth = describe_machine("juwels", link_between=3e9, noise=0.05, filesystem=1e12)
    free = ["seconds_per_image", "link_between", "noise"]
    start = truth | {"seconds_per_image": 1.5 * truth["seconds_per_image"], "link_between": 1e10, "noise": 0.01}
    workers, steps = np.array([1, 2, 4, 8, 16, 32, 64, 128]), 300
    inside = []
    for seed in range(8):
        runs = [simulate_steps(k, steps, truth, seed=100 * seed + k)["step"] for k in workers]
        mean, error = ([f(run) for run in runs] for f in (np.mean, lambda run: np.std(run) / np.sqrt(steps)))
        _, found = fit_parameters(workers, mean, start, free, deviation=error)
        inside += [row.low <= truth[row.parameter] <= row.high for row in found.itertuples()]
        assert found["value"].to_numpy() == pytest.approx([truth[name] for name in free], rel=0.1)
    assert sum(inside) >= 20  # of 24, at 95 %
