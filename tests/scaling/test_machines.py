"""Figures of machines: complete, with a source, and refused where impossible."""

import pytest

from bigearth.errors import InputError
from bigearth.scaling.machines import describe_machine, read_figures


def test_every_figure_has_a_source_and_every_machine_is_complete():
    rows = read_figures()
    assert rows.notna().all(axis=None) and set(rows["kind"]) <= {"published", "measured", "derived", "assumed"}
    for machine in set(rows["machine"]) - {"any"}:
        assert describe_machine(machine)["seconds_per_image"] > 0


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
        describe_machine("booster", **wrong)


def test_unknown_machine_names_the_known():
    with pytest.raises(InputError, match="booster"):
        describe_machine("cray-1")
