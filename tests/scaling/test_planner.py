"""Plans: fewest nodes in time, room for slow pipelines, nonsense refused."""

import pytest

from bigearth.errors import InputError
from bigearth.scaling.machines import describe_machine
from bigearth.scaling.planner import plan_training


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


@pytest.mark.parametrize("wrong", [{"patches": 0}, {"deadline_hours": 0}, {"stored": "jpeg"}, {"train_share": 1.5}])
def test_plan_of_nonsense(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        plan_training(**{"patches": 1000, "machine": "h100", "deadline_hours": 1} | wrong)
