import runpy

import numpy as np
import pandas as pd
import pytest

from bigearth import simulation
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.scaling import fitting, planner, step_model


def test_every_figure_has_a_source_and_every_machine_is_complete():
    rows = step_model.table()
    assert rows.notna().all(axis=None) and set(rows["kind"]) <= {"published", "measured", "derived", "assumed"}
    for machine in set(rows["machine"]) - {"any"}:
        assert step_model.parameters(machine)["seconds_per_image"] > 0


def test_network_is_counted_as_keras_counts_it():
    # trainable parameters of keras.applications.ResNet50 with its 1000 classes
    assert step_model.network(bands=3, size=224, classes=1000)["weights"] == 25_583_592
    keras = pytest.importorskip("keras")
    from bigearth.training import network

    model = network.build(
        7, dict.fromkeys(network.BANDS, 0.0), dict.fromkeys(network.BANDS, 1.0), width=8, blocks=(1, 2)
    )
    net = step_model.network(width=8, blocks=(1, 2), classes=7)
    weights = [variable for variable in model.trainable_variables]
    assert net["weights"] == sum(int(np.prod(w.shape)) for w in weights) and net["tensors"] == len(weights)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert net["activations"] == sum(int(np.prod(layer.output.shape[1:])) for layer in convolutions)


def test_allreduce_follows_its_formulas():
    p = step_model.parameters("h100", link_share=1, link_inside=1e9, link_between=1e9, latency_call=0)
    p |= {"latency_inside": 0, "latency_between": 1e-3, "gpus_per_node": 1}
    for algorithm, expected in (
        ("ring", 2 * 7 / 8 * 1.0 + 2 * 7e-3),
        ("tree", 2 * 1.0 + 2 * 3e-3),
        ("server", 2 * 7 * 1.0 + 2e-3),
    ):
        assert step_model.allreduce(1e9, 8, p | {"algorithm": algorithm}) == pytest.approx(expected)
    assert step_model.allreduce(1e9, 1, p) == 0
    # few bytes on many nodes: the tree; many bytes: the ring
    k = 512
    small, large = (
        [float(step_model.allreduce(n, k, p | {"algorithm": a})) for a in ("best", "tree", "ring")] for n in (1, 1e12)
    )
    assert small[0] == small[1] < small[2] and large[0] == large[2] < large[1]


def test_ring_has_two_hops_for_each_further_worker():
    p = step_model.parameters("juwels", latency_call=0, algorithm="ring") | {"latency_inside": 1, "latency_between": 10}
    # one node of four: all hops inside; two nodes: each is left twice
    assert step_model.allreduce(0, [1, 2, 4, 8], p).tolist() == [0, 2, 6, 2 * (5 + 2 * 10)]


def test_latency_is_that_of_the_algorithm_in_use():
    p = step_model.parameters("juwels")
    few, many = (step_model.latency(n, 512, p) for n in (1, 1e12))
    assert few == step_model.allreduce(0, 512, p | {"algorithm": "tree"})
    assert many == step_model.allreduce(0, 512, p | {"algorithm": "ring"}) > few


def test_what_ends_scaling_is_never_the_computation_itself():
    p = step_model.parameters("juwels", filesystem=1e13)
    assert step_model.step(2 ** np.arange(1, 11), p)["limit"].isin(["stragglers", "latency", "bandwidth"]).all()
    assert step_model.step([1], p)["limit"][0] == "compute"


def test_expected_maximum_of_normal_numbers():
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((20_000, 96)).max(axis=1).mean()
    assert step_model.expected_maximum(96) == pytest.approx(drawn, abs=0.02)
    assert step_model.expected_maximum([1, 2]) == pytest.approx([0, 1 / np.sqrt(np.pi)], abs=1e-6)


def test_overlap_hides_all_but_the_last_bucket_until_the_link_is_the_limit():
    slow = step_model.parameters("juwels", noise=0, link_between=1e9)
    fast = slow | {"link_between": 1e12}
    hidden = step_model.step([64], fast)
    assert hidden["exposed"][0] == pytest.approx(hidden["communication"][0] / fast["buckets"])
    exposed = step_model.step([64], slow)
    backward = (1 - slow["forward_share"]) * exposed["compute"][0]
    expected = exposed["communication"][0] - backward * (1 - 1 / slow["buckets"])
    assert exposed["exposed"][0] == pytest.approx(expected) and exposed["limit"][0] == "bandwidth"


def test_input_limits_only_where_it_is_slowest():
    p = step_model.parameters("h100")
    assert step_model.step([1024], p)["limit"][0] == "input"
    assert step_model.step([1024], p | {"filesystem": 1e13, "reader": 1e12})["limit"][0] != "input"


def test_fit_leave_one_out_and_what_points_cannot_say():
    p = step_model.parameters("juwels")
    k = np.array([4, 8, 16, 32, 64])
    times = step_model.step(k, p | {"seconds_per_image": 0.002})["step"].to_numpy()
    fitted, intervals = fitting.fit(k, times, p, ["seconds_per_image"])
    assert fitted["seconds_per_image"] == pytest.approx(0.002, rel=1e-3)
    assert fitting.leave_one_out(k, times, p, ["seconds_per_image"]) == pytest.approx(times, rel=1e-3)
    # one node only: the link between nodes is never used
    _, intervals = fitting.fit([1, 2, 3, 4], times[:4], p, ["seconds_per_image", "link_between"])
    assert np.isinf(intervals["high"][1])
    with pytest.raises(InputError, match="points cannot tell"):
        fitting.fit([4], [1.0], p, ["seconds_per_image"])


def test_fitted_parameters_of_simulated_data_come_back_within_their_intervals():
    truth = step_model.parameters("juwels", link_between=3e9, noise=0.05, filesystem=1e12)
    free = ["seconds_per_image", "link_between", "noise"]
    start = truth | {"seconds_per_image": 1.5 * truth["seconds_per_image"], "link_between": 1e10, "noise": 0.01}
    workers, steps = np.array([1, 2, 4, 8, 16, 32, 64, 128]), 300
    inside = []
    for seed in range(8):
        runs = [simulation.simulate(k, steps, truth, seed=100 * seed + k)["step"] for k in workers]
        mean, error = ([f(run) for run in runs] for f in (np.mean, lambda run: np.std(run) / np.sqrt(steps)))
        _, found = fitting.fit(workers, mean, start, free, deviation=error)
        inside += [row.low <= truth[row.parameter] <= row.high for row in found.itertuples()]
        assert found["value"].to_numpy() == pytest.approx([truth[name] for name in free], rel=0.1)
    assert sum(inside) >= 20  # of 24, at 95 %


def test_model_beside_the_published_curve():
    published = pd.read_csv(ROOT / "results/paper/epoch_time_juwels.csv")
    gpus, seconds = published["gpus"].to_numpy(), published["seconds_per_epoch"].to_numpy()
    images = 519_226 * 0.6
    p = step_model.parameters("juwels", algorithm="ring", seconds_per_image=347 * 4 / images)
    fitted, _ = fitting.fit(gpus, seconds, p, ["seconds_per_image"], lambda k, q: step_model.epoch(k, q, images))
    error = step_model.epoch(gpus, fitted, images) / seconds - 1
    assert np.abs(error).max() < 0.09
    # with overhead, nodes x time can only grow
    work = gpus * step_model.epoch(gpus, fitted, images)
    assert (np.diff(work) > 0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"link_between": 0},
        {"link_inside": 1e15},
        {"noise": -0.1},
        {"gpu_memory": float("nan")},
        {"link_share": 2},
        {"algorithm": "star"},
        {"bandwidth": 1},
        {"latency_between": 14},
        {"images_per_second": 7e6},
        {"images_per_second": 0},
        {"overhead": 3.5},
        {"rate_uncertainty": -2},
    ],
)
def test_impossible_figures(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        step_model.parameters("booster", **wrong)


def test_unknown_machine_names_the_known():
    with pytest.raises(InputError, match="booster"):
        step_model.parameters("cray-1")


def test_plan_recommends_the_fewest_nodes_in_time():
    relaxed, tight = (planner.plan(519_284, "juwels", hours) for hours in (24, 1))
    assert relaxed.loc[relaxed["recommended"], "nodes"].tolist() == [1]
    assert tight.loc[tight["recommended"], "nodes"].item() > 1
    assert (tight["low_h"] <= tight["total_h"]).all() and (tight["total_h"] <= tight["high_h"]).all()
    assert "needs LARS" in tight["remarks"].iloc[-1] and not tight["recommended"].iloc[-1]
    assert tight["time_limit"].str.fullmatch(r"(\d+-)?\d\d:\d0:00").all()
    crowded = planner.plan(519_284, "juwels", 24, batch=1024)
    assert crowded["remarks"].str.contains("memory").all() and not crowded["recommended"].any()


def test_plan_of_a_published_rate_leaves_room_for_what_pipelines_lose():
    hours = 100 * 347 / 3600  # the paper's own training on one node
    published = planner.plan(519_226, "juwels", 24, stored="super").iloc[0]
    assert published["low_h"] < hours < published["high_h"]
    p = step_model.parameters("juwels")
    measured = 519_226 * 0.6 / 347 / 4
    assert p["pipeline"] == pytest.approx(1 / p["seconds_per_image"] / measured, rel=0.01)
    own = planner.plan(519_226, "juwels", 24, stored="super", measured_rate=measured).iloc[0]
    assert own["total_h"] == pytest.approx(hours, rel=0.2) and own["high_h"] < 1.5 * own["total_h"]
    with pytest.raises(InputError, match="measured_rate"):
        planner.plan(519_226, "juwels", 24, measured_rate=-1)


def test_plan_tries_the_most_nodes_too():
    assert planner.plan(519_284, "juwels", 24, max_nodes=24)["nodes"].tolist() == [1, 2, 4, 8, 16, 24]


@pytest.mark.parametrize("wrong", [{"patches": 0}, {"deadline_hours": 0}, {"stored": "jpeg"}, {"train_share": 1.5}])
def test_plan_of_nonsense(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        planner.plan(**{"patches": 1000, "machine": "h100", "deadline_hours": 1} | wrong)


def test_two_workers_are_predicted_from_one_and_from_contention_of_other_rounds():
    predictions = runpy.run_path(str(ROOT / "tests/bench/bench_scaling.py"))["predictions"]
    times = {"one": [1.0, 2.0, 1.0], "independent": [1.2, 9.0, 1.2], "horovod": [1.5, 3.0, 1.5], "sum": [0.1, 0.2, 0.1]}
    workers = [{kind: np.repeat(np.array(values)[:, None], 4, axis=1) for kind, values in times.items()} for _ in "ab"]
    workers[1]["one"][:] = np.nan  # it waits
    found = predictions(workers)
    # the second round's own two workers, disturbed, do not enter its prediction
    assert found["contention"][1] == pytest.approx(1.2) and found["predicted_s"][1] == pytest.approx(2 * 1.2 + 0.2)
    workers[0]["horovod"][1] = 4.0
    again = predictions(workers)
    assert again["measured_s"][1] == 4 and again["predicted_s"].equals(found["predicted_s"])
