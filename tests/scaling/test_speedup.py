"""Speed-up, efficiency and scaling series."""

import numpy as np
import pytest

from bigearth.scaling.runs import collect_runs
from bigearth.scaling.speedup import build_series, compute_speedups
from tests.scaling.generated_runs import write_run


def test_speedup_efficiency_and_serial_fraction():
    found = compute_speedups([1, 2, 4], [100, 55, 32.5])
    # Amdahl's law with a serial tenth
    assert found["speedup"].tolist() == pytest.approx([1, 1 / 0.55, 1 / 0.325])
    assert found["efficiency"].tolist() == pytest.approx([1, 1 / 1.1, 1 / 1.3])
    assert np.isnan(found["karp_flatt"][0]) and found["karp_flatt"][1:].tolist() == pytest.approx([0.1, 0.1])
    # JUWELS from 4 to 8 GPUs: faster than twice
    assert compute_speedups([4, 8], [347, 172])["karp_flatt"][1] < 0


def test_weak_and_strong_series(tmp_path):
    write_run(tmp_path, "w1", workers=1, batch_size=8, seconds=10)
    write_run(tmp_path, "w2", workers=2, batch_size=8, seconds=5.5)
    write_run(tmp_path, "w2-b4", workers=2, batch_size=4, seconds=7)
    found = build_series(collect_runs(tmp_path).table).set_index(["scaling", "workers", "epoch_s"])
    assert found.loc[("weak", 2, 5.5), "efficiency"] == pytest.approx(10 / 11)
    assert found.loc[("strong", 2, 7), "efficiency"] == pytest.approx(5 / 7)
    assert len(found) == 4 and (found["remarks"] == "").all()


def test_different_experiments_are_never_mixed(tmp_path):
    write_run(tmp_path, "narrow", workers=1, width=8)
    write_run(tmp_path, "wide", workers=2, width=16)
    write_run(tmp_path, "batch", workers=4, batch_size=16)
    found = build_series(collect_runs(tmp_path).table)
    assert found["series"].nunique() == 3 and found["speedup"].isna().all()
    assert found["remarks"].str.contains("single point").all()


@pytest.mark.parametrize(
    "setting",
    [
        {"processor": "A100"},
        {"precision": "mixed_float16"},
        {"schedule": "polynomial"},
        {"class_weights": True},
        {"upsampling": "dsen2"},
        {"cube": "other.h5"},
        {"learning_rate": 0.2},
    ],
)
def test_every_setting_sets_a_series_apart_and_is_named(tmp_path, setting):
    same = {"class_weights": False, "upsampling": "network", "learning_rate": 0.1}
    for workers in (1, 2):
        write_run(tmp_path, f"a-n{workers}", workers=workers, **same)
        write_run(tmp_path, f"b-n{workers}", workers=workers, seed=2, **same | setting)
    found = build_series(collect_runs(tmp_path).table)
    assert found.groupby("series").size().tolist() == [2, 2] and (found["repeats"] == 1).all()
    named = found["series"].drop_duplicates().tolist()
    if "schedule" not in setting:  # that is always named
        assert str(next(iter(setting.values()))) in named[1]
    else:
        assert "sgd, step" in named[0] and "sgd, polynomial" in named[1]
