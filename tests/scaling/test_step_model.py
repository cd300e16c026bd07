"""The step model against its formulas, and against a simulation that plays a step worker by worker."""

import numpy as np
import pytest

from bigearth.scaling.machines import describe_machine
from bigearth.scaling.step_model import expected_maximum, time_allreduce, time_latency, time_step


def test_allreduce_follows_its_formulas():
    p = describe_machine("h100", link_share=1, link_inside=1e9, link_between=1e9, latency_call=0)
    p |= {"latency_inside": 0, "latency_between": 1e-3, "gpus_per_node": 1}
    for algorithm, expected in (
        ("ring", 2 * 7 / 8 * 1.0 + 2 * 7e-3),
        ("tree", 2 * 1.0 + 2 * 3e-3),
        ("server", 2 * 7 * 1.0 + 2e-3),
    ):
        assert time_allreduce(1e9, 8, p | {"algorithm": algorithm}) == pytest.approx(expected)
    assert time_allreduce(1e9, 1, p) == 0
    # few bytes on many nodes: the tree; many bytes: the ring
    k = 512
    small, large = (
        [float(time_allreduce(n, k, p | {"algorithm": a})) for a in ("best", "tree", "ring")] for n in (1, 1e12)
    )
    assert small[0] == small[1] < small[2] and large[0] == large[2] < large[1]


def test_ring_has_two_hops_for_each_further_worker():
    p = describe_machine("juwels", latency_call=0, algorithm="ring") | {"latency_inside": 1, "latency_between": 10}
    # one node of four: all hops inside; two nodes: each is left twice
    assert time_allreduce(0, [1, 2, 4, 8], p).tolist() == [0, 2, 6, 2 * (5 + 2 * 10)]


def test_latency_is_that_of_the_algorithm_in_use():
    p = describe_machine("juwels")
    few, many = (time_latency(n, 512, p) for n in (1, 1e12))
    assert few == time_allreduce(0, 512, p | {"algorithm": "tree"})
    assert many == time_allreduce(0, 512, p | {"algorithm": "ring"}) > few


def test_what_ends_scaling_is_never_the_computation_itself():
    p = describe_machine("juwels", filesystem=1e13)
    assert time_step(2 ** np.arange(1, 11), p)["limit"].isin(["stragglers", "latency", "bandwidth"]).all()
    assert time_step([1], p)["limit"][0] == "compute"


def test_expected_maximum_of_normal_numbers():
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((20_000, 96)).max(axis=1).mean()
    assert expected_maximum(96) == pytest.approx(drawn, abs=0.02)
    assert expected_maximum([1, 2]) == pytest.approx([0, 1 / np.sqrt(np.pi)], abs=1e-6)


def test_overlap_hides_all_but_the_last_bucket_until_the_link_is_the_limit():
    slow = describe_machine("juwels", noise=0, link_between=1e9)
    fast = slow | {"link_between": 1e12}
    hidden = time_step([64], fast)
    assert hidden["exposed"][0] == pytest.approx(hidden["communication"][0] / fast["buckets"])
    exposed = time_step([64], slow)
    backward = (1 - slow["forward_share"]) * exposed["compute"][0]
    expected = exposed["communication"][0] - backward * (1 - 1 / slow["buckets"])
    assert exposed["exposed"][0] == pytest.approx(expected) and exposed["limit"][0] == "bandwidth"


def test_input_limits_only_where_it_is_slowest():
    p = describe_machine("h100")
    assert time_step([1024], p)["limit"][0] == "input"
    assert time_step([1024], p | {"filesystem": 1e13, "reader": 1e12})["limit"][0] != "input"
