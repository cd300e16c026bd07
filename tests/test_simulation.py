import time

import numpy as np
import pytest

from bigearth import simulation
from bigearth.errors import InputError
from bigearth.scaling import step_model


@pytest.mark.parametrize("machine", ["juwels", "h100"])
@pytest.mark.parametrize("workers", [1, 4, 64])
@pytest.mark.parametrize("link", [1e9, 1e11])
def test_without_noise_it_equals_the_closed_form(machine, workers, link):
    p = step_model.parameters(machine, noise=0, link_between=link)
    played, expected = simulation.simulate(workers, 3, p), step_model.step([workers], p).iloc[0]
    assert played["step"].to_numpy() == pytest.approx(expected["step"], rel=1e-6)
    assert played["exposed"].to_numpy() == pytest.approx(expected["exposed"], rel=1e-3, abs=1e-9)


def test_with_noise_it_equals_the_closed_form_on_average():
    p = step_model.parameters("juwels", noise=0.05)
    for workers in (2, 32):
        played = simulation.simulate(workers, 4000, p)["step"]
        expected = step_model.step([workers], p)["step"][0]
        assert abs(played.mean() - expected) < 4 * played.std() / np.sqrt(len(played))


def test_rare_stalls_cost_more_than_the_closed_form_says():
    p = step_model.parameters("juwels", noise=0.05, filesystem=1e12)
    stalls = simulation.simulate(256, 500, p, tail="exponential")
    assert stalls["compute"].mean() == pytest.approx(p["batch"] * p["seconds_per_image"], rel=0.01)
    assert stalls["step"].mean() > 1.05 * step_model.step([256], p)["step"][0]


def test_noise_of_buckets_has_the_variance_of_a_step():
    p = step_model.parameters("juwels", noise=0.05)
    alone = simulation.simulate(1, 5000, p, per_bucket=True)["slowest"]
    assert alone.std() / alone.mean() == pytest.approx(0.05, rel=0.05)


def test_same_seed_same_steps_and_a_thousand_workers_are_quick():
    p = step_model.parameters("h100")
    started = time.perf_counter()
    first = simulation.simulate(1024, 1000, p, seed=3)
    assert time.perf_counter() - started < 30  # the promise; a tenth of a second here
    assert first.equals(simulation.simulate(1024, 1000, p, seed=3))
    assert len(first) == 1000 and not first.equals(simulation.simulate(1024, 1000, p, seed=4))


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"steps": 0}, {"tail": "fat"}])
def test_nonsense(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        simulation.simulate(**{"workers": 2, "steps": 2, "p": step_model.parameters("h100")} | wrong)
