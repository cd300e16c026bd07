import json

import numpy as np
import pandas as pd
import pytest

from bigearth.errors import InputError
from bigearth.scaling import measure, speedup
from bigearth.scaling import runs as measurements


def write_run(workdir, run, workers=1, batch_size=8, epochs=3, seconds=10.0, width=8, seed=1, nodes=1,
              processor="test", **others):  # fmt: skip
    """A finished run as training leaves it, apart from the model and the predictions."""
    folder = workdir / "runs" / run
    folder.mkdir(parents=True)
    steps, number = np.arange(1, 5), np.arange(1, epochs + 1)
    pd.DataFrame(
        {
            "epoch": number,
            "learning_rate": 0.1,
            "loss": 0.5,
            "val_loss": 0.6,
            "val_f1": 0.3 + 0.1 * number,
            "seconds": [seconds + 5] + [seconds] * (epochs - 1),
            "images": 96,
            "validation_seconds": 1.0,
        }
    ).to_csv(folder / "history.csv", index=False)
    rows = [
        (epoch, step, rank, 0.01, 0.2 + 0.002 * ((step + rank) % 3), 0.03, 0.25)
        for epoch in number
        for step in steps
        for rank in range(workers)
    ]
    columns = ["epoch", "step", "rank", "input_s", "compute_s", "allreduce_s", "step_s"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "timings.csv", index=False)
    parameters = {
        "bands": "rgb", "width": width, "blocks": [1, 1], "batch_size": batch_size, "epochs": epochs, "seed": seed,
        "optimizer": "sgd", "schedule": "step", "precision": "float32", "cube": "cube.h5",
    } | others  # fmt: skip
    record = {
        "parameters": parameters,
        "workers": workers,
        "machine": {"processor": processor, "nodes": nodes},
        "wall_seconds": seconds * epochs + epochs + 25,
        "gpu_hours": 0.0,
    }
    (folder / "provenance.json").write_text(json.dumps(record))
    return folder


def test_speedup_efficiency_and_serial_fraction():
    found = speedup.speedups([1, 2, 4], [100, 55, 32.5])
    # Amdahl's law with a serial tenth
    assert found["speedup"].tolist() == pytest.approx([1, 1 / 0.55, 1 / 0.325])
    assert found["efficiency"].tolist() == pytest.approx([1, 1 / 1.1, 1 / 1.3])
    assert np.isnan(found["karp_flatt"][0]) and found["karp_flatt"][1:].tolist() == pytest.approx([0.1, 0.1])
    # JUWELS from 4 to 8 GPUs: faster than twice
    assert speedup.speedups([4, 8], [347, 172])["karp_flatt"][1] < 0


def test_repeats_are_averaged_and_start_up_is_apart(tmp_path):
    write_run(tmp_path, "a-s1", seconds=10)
    write_run(tmp_path, "a-s2", seconds=12, seed=2)
    write_run(tmp_path, "b", workers=2, seconds=6)
    runs = measurements.collect(tmp_path)
    # the first epoch's 5 s of tracing belong to the start-up of 20 s
    assert runs["epoch_s"].tolist() == [10, 12, 6] and runs["startup_s"].tolist() == [25, 25, 25]
    assert measurements.collect(tmp_path, ["a"])["run"].tolist() == ["a-s1", "a-s2"]
    weak = speedup.series(runs)
    assert weak["workers"].tolist() == [1, 2] and weak["repeats"].tolist() == [2, 1]
    assert weak["epoch_s"].tolist() == [11, 6] and weak["deviation"][0] == pytest.approx(np.sqrt(2))
    assert weak["speedup"][1] == pytest.approx(11 / 6) and (weak["remarks"] == "").all()
    assert runs["f1"].tolist() == pytest.approx([0.6] * 3) and set(runs["f1_split"]) == {"validation"}


def test_weak_and_strong_series(tmp_path):
    write_run(tmp_path, "w1", workers=1, batch_size=8, seconds=10)
    write_run(tmp_path, "w2", workers=2, batch_size=8, seconds=5.5)
    write_run(tmp_path, "w2-b4", workers=2, batch_size=4, seconds=7)
    found = speedup.series(measurements.collect(tmp_path)).set_index(["scaling", "workers", "epoch_s"])
    assert found.loc[("weak", 2, 5.5), "efficiency"] == pytest.approx(10 / 11)
    assert found.loc[("strong", 2, 7), "efficiency"] == pytest.approx(5 / 7)
    assert len(found) == 4 and (found["remarks"] == "").all()


def test_different_experiments_are_never_mixed(tmp_path):
    write_run(tmp_path, "narrow", workers=1, width=8)
    write_run(tmp_path, "wide", workers=2, width=16)
    write_run(tmp_path, "batch", workers=4, batch_size=16)
    found = speedup.series(measurements.collect(tmp_path))
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
    found = speedup.series(measurements.collect(tmp_path))
    assert found.groupby("series").size().tolist() == [2, 2] and (found["repeats"] == 1).all()
    named = found["series"].drop_duplicates().tolist()
    if "schedule" not in setting:  # that is always named
        assert str(next(iter(setting.values()))) in named[1]
    else:
        assert "sgd, step" in named[0] and "sgd, polynomial" in named[1]


def test_a_run_that_went_on_traced_its_graph_twice(tmp_path):
    folder = write_run(tmp_path, "r", epochs=5)
    history = pd.read_csv(folder / "history.csv")
    history.loc[2, "seconds"] += 100
    history.assign(checkpoint_seconds=1.0).to_csv(folder / "history.csv", index=False)
    timings = pd.read_csv(folder / "timings.csv")
    timings.loc[timings["epoch"] == 3, "compute_s"] += 9
    timings.to_csv(folder / "timings.csv", index=False)
    found = measurements.collect(tmp_path)
    assert found["epoch_s"][0] == 10 and found["remarks"][0] == ""
    assert measurements.parts(tmp_path, found)["forward and backward"][0] < 0.3


def test_parts_of_a_step(tmp_path):
    write_run(tmp_path, "r", workers=2)
    (row,) = measurements.parts(tmp_path, measurements.collect(tmp_path)).itertuples(index=False)
    assert row.input == pytest.approx(0.01) and row.step == pytest.approx(0.25)
    assert row.step == pytest.approx(sum([row.input, row._4, row._5, row.update]))
    assert 0 < row.noise < 0.01
    assert row.validation == pytest.approx(1.0 / (96 / 16))


def test_interrupted_and_incomplete_runs_are_remarked(tmp_path):
    folder = write_run(tmp_path, "short", workers=2, epochs=3)
    history = pd.read_csv(folder / "history.csv")
    history.iloc[[0, 2]].to_csv(folder / "history.csv", index=False)
    timings = pd.read_csv(folder / "timings.csv")
    timings.drop(index=5).to_csv(folder / "timings.csv", index=False)
    lost = write_run(tmp_path, "lost", workers=2)
    pd.read_csv(lost / "timings.csv").query("rank == 0").to_csv(lost / "timings.csv", index=False)
    bare = write_run(tmp_path, "bare")
    (bare / "timings.csv").unlink()
    (tmp_path / "runs" / "killed").mkdir()
    runs = measurements.collect(tmp_path)
    remarks = runs.set_index("run")["remarks"]
    assert "holds 2 of 3 epochs" in remarks["short"] and "epochs missing" in remarks["short"]
    assert "not every rank" in remarks["short"] and "ranks [0] of 2" in remarks["lost"]
    assert remarks["bare"] == "no timings.csv" and runs.attrs["left_out"] == ["killed"]
    assert "short: history.csv" in "".join(speedup.series(runs)["remarks"])
    assert measurements.parts(tmp_path, runs)["run"].tolist() == ["lost", "short"]


def test_an_unfinished_run_is_left_out_and_named(tmp_path):
    write_run(tmp_path, "whole")
    (write_run(tmp_path, "killed") / "provenance.json").unlink()
    for asked in ([], ["whole", "killed", "whole"]):
        runs = measurements.collect(tmp_path, asked)
        assert runs["run"].tolist() == ["whole"] and runs.attrs["left_out"] == ["killed"]
    with pytest.raises(InputError, match="no finished run"):
        measurements.collect(tmp_path, ["killed"])


def test_gaps_in_timings(tmp_path):
    for run, change in {
        "epoch": lambda t: t[t["epoch"] != 2],
        "step": lambda t: t[(t["epoch"] != 2) | (t["step"] != 3)],
        "negative": lambda t: t.assign(input_s=-0.1),
    }.items():
        path = write_run(tmp_path, run, workers=2) / "timings.csv"
        change(pd.read_csv(path)).to_csv(path, index=False)
    remarks = measurements.collect(tmp_path).set_index("run")["remarks"]
    assert remarks["epoch"] == "timings without epochs [2]" and remarks["negative"] == "timings with negative times"
    assert remarks["step"] == "timings with gaps: not as many sampled steps in every epoch"


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match="no finished run"):
        measurements.collect(tmp_path)
    with pytest.raises(InputError, match="nosuch"):
        measurements.collect(tmp_path, ["nosuch"])
    folder = write_run(tmp_path, "r")
    pd.read_csv(folder / "history.csv").drop(columns="seconds").to_csv(folder / "history.csv", index=False)
    with pytest.raises(InputError, match="history.csv lacks the columns seconds"):
        measurements.collect(tmp_path)
    pd.read_csv(folder / "history.csv").assign(seconds=1.0)[:0].to_csv(folder / "history.csv", index=False)
    with pytest.raises(InputError, match="history.csv holds no epoch"):
        measurements.collect(tmp_path)
    record = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({**record, "parameters": {}}))
    with pytest.raises(InputError, match="lacks the parameters bands"):
        measurements.collect(tmp_path)
    (folder / "provenance.json").write_text(json.dumps({"parameters": {}}))
    with pytest.raises(InputError, match="lacks workers"):
        measurements.collect(tmp_path)
    (folder / "provenance.json").write_text("{")
    with pytest.raises(InputError, match="provenance.json is not valid JSON"):
        measurements.collect(tmp_path)


def test_measuring_trains_with_equal_batch_per_worker_and_in_all(tmp_path, monkeypatch):
    calls = []

    class Group:
        def __init__(self, workers, launcher, **_):
            self.workers = workers

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def run(self, function, watch, share, run, batch_size, seed, **training):
            assert function is measure.train and share == 2 and training["epochs"] == 2
            calls.append((self.workers, run, batch_size, seed))

    monkeypatch.setattr(speedup.engines, "start", Group)
    stale = tmp_path / "runs" / "scaling-w1-b8"
    stale.mkdir(parents=True)
    names = measure.measure([2, 1], "mpi", 8, workdir=tmp_path, epochs=2)
    assert calls == [(1, "scaling-w1-b8", 8, 1), (2, "scaling-w2-b8", 8, 1), (2, "scaling-w2-b4", 4, 1)]
    assert names == [name for _, name, *_ in calls] and not stale.exists()
    calls.clear()
    measure.measure([2], "mpi", 8, repeats=2, seed=5, workdir=tmp_path, epochs=2)
    assert calls == [(2, "scaling-w2-b8-s1", 8, 5), (2, "scaling-w2-b8-s2", 8, 6)]
