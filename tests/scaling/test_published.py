"""Our runs beside the published times."""

import pytest

from bigearth.scaling.published import compare_epoch_times, compare_full_trainings
from bigearth.scaling.runs import collect_runs
from tests.scaling.generated_runs import write_run


def test_epoch_times_stand_below_the_published_curve(tmp_path):
    write_run(tmp_path, "one", workers=1, seconds=10)
    write_run(tmp_path, "two", workers=2, seconds=5.5)
    both = compare_epoch_times(collect_runs(tmp_path))
    juwels = both[both["series"].str.startswith("JUWELS")]
    assert juwels["workers"].tolist() == [4, 8, 16, 32, 48, 64, 96]
    assert juwels["speedup"].iloc[-1] == pytest.approx(347 / 15)
    assert juwels["worker_hours"].iloc[0] == pytest.approx(4 * 347 / 3600)
    assert both["epoch_s"].tolist()[7:] == [10, 5.5]


def test_full_trainings_without_the_short_ones(tmp_path):
    write_run(tmp_path, "long", seconds=100)
    write_run(tmp_path, "scaling-w1-b8", seconds=10, width=16)
    hours = compare_full_trainings(collect_runs(tmp_path))
    ours = hours[~hours["machine"].str.startswith(("JUWELS", "JURECA"))]
    assert ours["hours"].tolist() == pytest.approx([(3 * 100 + 3 + 25) / 3600])
    # the text's bounds enclose 100 published epochs
    of_one_node = hours[(hours["nodes"] == 1) & hours["machine"].str.startswith("JUWELS")]["hours"].tolist()
    assert of_one_node == pytest.approx([35_000 / 3600, 34_700 / 3600], abs=1e-3)
