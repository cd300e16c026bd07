"""The step model against a simulation that plays a step worker by worker."""

import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.scaling.machines import describe_machine
from bigearth.scaling.step_model import time_step
from tests.step_simulation import simulate_steps


@pytest.mark.parametrize("machine", ["juwels", "h100"])
@pytest.mark.parametrize("workers", [1, 4, 64])
@pytest.mark.parametrize("link", [1e9, 1e11])
def test_without_noise_it_equals_the_closed_form(machine, workers, link):
    p = describe_machine(machine, noise=0, link_between=link)
    played, expected = simulate_steps(workers, 3, p), time_step([workers], p).iloc[0]
    assert played["step"].to_numpy() == pytest.approx(expected["step"], rel=1e-6)
    assert played["exposed"].to_numpy() == pytest.approx(expected["exposed"], rel=1e-3, abs=1e-9)


def test_with_noise_it_equals_the_closed_form_on_average():
    p = describe_machine("juwels", noise=0.05)
    for workers in (2, 32):
        played = simulate_steps(workers, 4000, p)["step"]
        expected = time_step([workers], p)["step"][0]
        assert abs(played.mean() - expected) < 4 * played.std() / np.sqrt(len(played))


def test_rare_stalls_cost_more_than_the_closed_form_says():
    p = describe_machine("juwels", noise=0.05, filesystem=1e12)
    stalls = simulate_steps(256, 500, p, tail="exponential")
    assert stalls["compute"].mean() == pytest.approx(p["batch"] * p["seconds_per_image"], rel=0.01)
    assert stalls["step"].mean() > 1.05 * time_step([256], p)["step"][0]


def test_noise_of_buckets_has_the_variance_of_a_step():
    p = describe_machine("juwels", noise=0.05)
    alone = simulate_steps(1, 5000, p, per_bucket=True)["slowest"]
    assert alone.std() / alone.mean() == pytest.approx(0.05, rel=0.05)


def test_same_seed_same_steps_of_a_thousand_workers():
    p = describe_machine("h100")
    first = simulate_steps(1024, 1000, p, seed=3)
    assert first.equals(simulate_steps(1024, 1000, p, seed=3))
    assert len(first) == 1000 and not first.equals(simulate_steps(1024, 1000, p, seed=4))


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"steps": 0}, {"tail": "fat"}])
def test_nonsense(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        simulate_steps(**{"workers": 2, "steps": 2, "p": describe_machine("h100")} | wrong)
