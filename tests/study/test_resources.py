"""Resources: what Slurm could give, in units that cannot be mistaken."""

import pytest

from bigearth.errors import InputError
from bigearth.study.resources import check_resources


def test_resources_are_converted():
    asked = {"nodes": 2, "tasks_per_node": "4", "gpus_per_task": 0, "time": "1-10:00:00", "memory": "64G"}
    assert check_resources(asked, "here") == asked | {"nodes": [2], "tasks_per_node": 4}
    assert check_resources({"nodes": [1, 4]}, "here") == {"nodes": [1, 4]}
    assert check_resources({"nodes": "1, 4"}, "here") == {"nodes": [1, 4]}


@pytest.mark.parametrize(
    "asked",
    [
        {"time": 36000}, {"time": "soon"}, {"time": "10:99:00"}, {"time": "00:00:00"}, {"time": "10:00"},
        {"time": None},
        {"memory": 64}, {"memory": "64"}, {"memory": "0G"}, {"memory": "1; reboot"},
        {"nodes": 0}, {"nodes": []}, {"nodes": 1.5}, {"nodes": True}, {"nodes": [1, 0]}, {"nodes": "two"},
        {"tasks_per_node": 0}, {"cpus_per_task": -1}, {"gpus_per_task": -1}, {"gpus_per_task": 0.5},
        {"gpu": 1}, {"gpus_per_node": 4},
    ],
)  # fmt: skip
def test_what_slurm_could_not_give(asked):
    with pytest.raises(InputError, match="^here: ") as told:
        check_resources(asked, "here")
    assert "\n" not in str(told.value)
