"""Plans: fewest nodes in time, room for slow pipelines, nonsense refused."""

import pytest

from bigearth.errors import InputError
from bigearth.scaling.machines import describe_machine
from bigearth.scaling.planner import format_time_limit, list_node_counts, plan_training


def test_plan_recommends_the_fewest_nodes_in_time():
    relaxed, tight = (plan_training(519_284, "juwels", hours) for hours in (24, 1))
    assert relaxed.loc[relaxed["recommended"], "nodes"].tolist() == [1]
    assert tight.loc[tight["recommended"], "nodes"].item() > 1
    assert (tight["low_h"] <= tight["total_h"]).all() and (tight["total_h"] <= tight["high_h"]).all()
    assert "needs LARS" in tight["remarks"].iloc[-1] and not tight["recommended"].iloc[-1]
    assert tight["time_limit"].str.fullmatch(r"(\d+-)?\d\d:\d0:00").all()
    crowded = plan_training(519_284, "juwels", 24, batch=1024)
    assert crowded["remarks"].str.contains("memory").all() and not crowded["recommended"].any()


def test_plan_of_a_published_rate_leaves_room_for_what_pipelines_lose():
    hours = 100 * 347 / 3600  # the paper's own training on one node
    published = plan_training(519_226, "juwels", 24, stored="super").iloc[0]
    assert published["low_h"] < hours < published["high_h"]
    p = describe_machine("juwels")
    measured = 519_226 * 0.6 / 347 / 4
    assert p["pipeline"] == pytest.approx(1 / p["seconds_per_image"] / measured, rel=0.01)
    own = plan_training(519_226, "juwels", 24, stored="super", measured_rate=measured).iloc[0]
    assert own["total_h"] == pytest.approx(hours, rel=0.2) and own["high_h"] < 1.5 * own["total_h"]
    with pytest.raises(InputError, match="measured_rate"):
        plan_training(519_226, "juwels", 24, measured_rate=-1)


def test_plan_tries_the_most_nodes_too():
    assert plan_training(519_284, "juwels", 24, max_nodes=24)["nodes"].tolist() == [1, 2, 4, 8, 16, 24]


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "wrong",
    [
        {"patches": 0},
        {"patches": True},
        {"patches": "many"},
        {"patches": 1e30},
        {"epochs": 2.5},
        {"epochs": None},
        {"epochs": -1},
        {"max_nodes": 2.5},
        {"max_nodes": "two"},
        {"max_nodes": NAN},
        {"max_nodes": 10**12},
        {"deadline_hours": 0},
        {"deadline_hours": NAN},
        {"deadline_hours": INFINITE},
        {"deadline_hours": True},
        {"deadline_hours": "soon"},
        {"measured_rate": 0},
        {"measured_rate": NAN},
        {"measured_rate": True},
        {"measured_rate": 1e9},
        {"stored": "jpeg"},
        {"stored": None},
        {"machine": 100},
        {"train_share": 1.5},
        {"train_share": NAN},
        {"batch": 0},
        {"batch": "half"},
        {"batch": INFINITE},
    ],
    ids=str,
)
def test_nonsense_is_refused_in_one_line(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))) as caught:
        plan_training(**{"patches": 1000, "machine": "h100", "deadline_hours": 1} | wrong)
    assert "\n" not in str(caught.value)


def test_numbers_may_be_typed_as_text():
    typed = plan_training("519284", "booster", "24", epochs="100", max_nodes="8", measured_rate="300")
    assert typed.equals(plan_training(519284, "booster", 24.0, epochs=100, max_nodes=8, measured_rate=300.0))


@pytest.mark.parametrize(("typed", "meant"), [("boster", "booster"), ("H100", "h100"), ("jupitr", "jupiter")])
def test_the_nearest_machine_is_named(typed, meant):
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        plan_training(1000, typed, 1)


def test_a_time_limit_is_rounded_up_to_ten_minutes():
    assert format_time_limit(1) == "00:10:00" and format_time_limit(3600) == "01:00:00"
    assert format_time_limit(90_001) == "1-01:10:00"


def test_node_counts_double_up_to_the_most():
    assert list_node_counts(1).tolist() == [1] and list_node_counts(6).tolist() == [1, 2, 4, 6]
