"""Training runs, collected from their folders."""

import numpy as np
import pandas as pd
import pytest

from bigearth.errors import InputError
from bigearth.scaling.runs import collect_runs
from bigearth.scaling.speedup import build_series
from tests.scaling.generated_runs import write_run


def test_repeats_are_averaged_and_start_up_is_apart(tmp_path):
    write_run(tmp_path, "a-s1", seconds=10)
    write_run(tmp_path, "a-s2", seconds=12, seed=2)
    write_run(tmp_path, "b", workers=2, seconds=6)
    runs = collect_runs(tmp_path).table
    # the first epoch's 5 s of tracing belong to the start-up of 20 s
    assert runs["epoch_s"].tolist() == [10, 12, 6] and runs["startup_s"].tolist() == [25, 25, 25]
    assert collect_runs(tmp_path, ["a"]).table["run"].tolist() == ["a-s1", "a-s2"]
    weak = build_series(runs)
    assert weak["workers"].tolist() == [1, 2] and weak["repeats"].tolist() == [2, 1]
    assert weak["epoch_s"].tolist() == [11, 6] and weak["deviation"][0] == pytest.approx(np.sqrt(2))
    assert weak["speedup"][1] == pytest.approx(11 / 6) and (weak["remarks"] == "").all()
    assert runs["f1"].tolist() == pytest.approx([0.6] * 3) and set(runs["f1_split"]) == {"validation"}


def test_a_run_that_went_on_traced_its_graph_twice(tmp_path):
    folder = write_run(tmp_path, "r", epochs=5)
    history = pd.read_csv(folder / "history.csv")
    history.loc[2, "seconds"] += 100
    history.assign(checkpoint_seconds=1.0).to_csv(folder / "history.csv", index=False)
    timings = pd.read_csv(folder / "timings.csv")
    timings.loc[timings["epoch"] == 3, "compute_s"] += 9
    timings.to_csv(folder / "timings.csv", index=False)
    found = collect_runs(tmp_path)
    assert found.table["epoch_s"][0] == 10 and found.table["remarks"][0] == ""
    assert found.step_parts["forward and backward"][0] < 0.3


def test_parts_of_a_step(tmp_path):
    write_run(tmp_path, "r", workers=2)
    (row,) = collect_runs(tmp_path).step_parts.itertuples(index=False)
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
    runs = collect_runs(tmp_path)
    remarks = runs.table.set_index("run")["remarks"]
    assert "holds 2 of 3 epochs" in remarks["short"] and "epochs missing" in remarks["short"]
    assert "not every rank" in remarks["short"] and "ranks [0] of 2" in remarks["lost"]
    assert remarks["bare"] == "no timings.csv" and runs.left_out == ["killed"]
    assert "short: history.csv" in "".join(build_series(runs.table)["remarks"])
    assert runs.step_parts["run"].tolist() == ["lost", "short"]


def test_an_unfinished_run_is_left_out_and_named(tmp_path):
    write_run(tmp_path, "whole")
    (write_run(tmp_path, "killed") / "provenance.json").unlink()
    for asked in ([], ["whole", "killed", "whole"]):
        runs = collect_runs(tmp_path, asked)
        assert runs.table["run"].tolist() == ["whole"] and runs.left_out == ["killed"]
    with pytest.raises(InputError, match="no finished run"):
        collect_runs(tmp_path, ["killed"])


def test_gaps_in_timings(tmp_path):
    for run, change in {
        "epoch": lambda t: t[t["epoch"] != 2],
        "step": lambda t: t[(t["epoch"] != 2) | (t["step"] != 3)],
        "negative": lambda t: t.assign(input_s=-0.1),
    }.items():
        path = write_run(tmp_path, run, workers=2) / "timings.csv"
        change(pd.read_csv(path)).to_csv(path, index=False)
    remarks = collect_runs(tmp_path).table.set_index("run")["remarks"]
    assert remarks["epoch"] == "timings without epochs [2]" and "negative times" in remarks["negative"]
    assert remarks["step"] == "timings with gaps: not as many sampled steps in every epoch"
