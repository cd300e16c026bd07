"""The files of a training run: read, remarked, or refused in one line."""

import json
import os

import pandas as pd
import pytest

from bigearth.errors import InputError
from bigearth.scaling.run_files import read_history, read_record, read_timings
from bigearth.scaling.runs import collect_runs
from tests.scaling.generated_runs import write_run
from tests.scores.generated_predictions import write_predictions

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def damage(path, kind):
    """Put something unusable in the place of a file."""
    content = path.read_bytes()
    path.unlink()
    if kind == "half":
        path.write_bytes(content[: len(content) // 2].rstrip(b"\n"))
    elif kind == "empty":
        path.touch()
    elif kind == "not UTF-8":
        path.write_bytes(content.replace(b"e", b"\xe9"))
    elif kind == "pointer":
        path.write_bytes(LFS_POINTER)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "noise":
        path.write_bytes(os.urandom(300))


KINDS = ["half", "empty", "not UTF-8", "pointer", "pipe", "folder", "noise"]


def refused(function, *arguments):
    """The message of the InputError, which is one line."""
    with pytest.raises(InputError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["provenance.json", "history.csv"])
def test_a_damaged_file_is_named(tmp_path, name, kind):
    folder = write_run(tmp_path, "r")
    damage(folder / name, kind)
    assert str(folder / name) in refused(collect_runs, tmp_path)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["timings.csv", "predictions.h5"])
def test_what_a_run_can_do_without_is_remarked(tmp_path, name, kind):
    folder = write_run(tmp_path, "r")
    write_predictions(tmp_path / "other", "r").rename(folder / "predictions.h5")
    damage(folder / name, kind)
    runs = collect_runs(tmp_path)
    remark = runs.table["remarks"][0]
    assert "not used" in remark or "timings" in remark
    assert str(folder / name) in remark or "timings" in remark
    assert len(runs.step_parts) == (name != "timings.csv" or "not used" not in remark)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seconds", "nan"),
        ("seconds", "inf"),
        ("seconds", "-3"),
        ("seconds", "0"),
        ("seconds", "fast"),
        ("seconds", ""),
        ("val_f1", "1.5"),
        ("val_f1", "-0.1"),
        ("val_f1", "nan"),
        ("images", "0"),
        ("images", "96.5"),
        ("epoch", "0"),
        ("epoch", "first"),
        ("validation_seconds", "-1"),
    ],
)
def test_an_impossible_history_is_refused(tmp_path, column, value):
    folder = write_run(tmp_path, "r")
    history = pd.read_csv(folder / "history.csv", dtype=str)
    history.loc[1, column] = value
    history.to_csv(folder / "history.csv", index=False)
    message = refused(read_history, folder)
    assert column in message and "history.csv" in message


def test_a_history_of_more_epochs_than_were_asked_for_is_remarked(tmp_path):
    folder = write_run(tmp_path, "r", epochs=2)
    history = pd.read_csv(folder / "history.csv")
    history.loc[1, "epoch"] = 99
    history.to_csv(folder / "history.csv", index=False)
    assert "names epoch 99 of 2" in collect_runs(tmp_path).table["remarks"][0]


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "fast", ""])
def test_impossible_timings_are_remarked_and_not_used(tmp_path, value):
    folder = write_run(tmp_path, "r")
    timings = pd.read_csv(folder / "timings.csv", dtype=str)
    timings.loc[3, "compute_s"] = value
    timings.to_csv(folder / "timings.csv", index=False)
    refused(read_timings, folder)
    runs = collect_runs(tmp_path)
    assert "timings not used" in runs.table["remarks"][0] and runs.step_parts.empty


@pytest.mark.parametrize(
    "change",
    [
        {"workers": 0},
        {"workers": "two"},
        {"workers": 2.5},
        {"workers": True},
        {"wall_seconds": -1},
        {"wall_seconds": None},
        {"gpu_hours": "none"},
        {"machine": None},
        {"machine": {"nodes": "one"}},
        {"machine": {"nodes": -1}},
        {"parameters": {}},
        {"parameters": []},
        {"parameters": {"epochs": 0}},
        {"parameters": {"batch_size": "8"}},
        {"parameters": {"blocks": 5}},
        {"parameters": {"blocks": ["1"]}},
        {"parameters": {"bands": [2, 3]}},
    ],
    ids=str,
)
def test_an_impossible_record_is_refused(tmp_path, change):
    folder = write_run(tmp_path, "r")
    record = json.loads((folder / "provenance.json").read_text())
    if change.get("parameters"):
        change = {"parameters": record["parameters"] | change["parameters"]}
    (folder / "provenance.json").write_text(json.dumps(record | change))
    assert "provenance.json" in refused(read_record, folder)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_record_without_numbers_is_refused(tmp_path, constant):
    folder = write_run(tmp_path, "r")
    text = (folder / "provenance.json").read_text()
    (folder / "provenance.json").write_text(text.replace('"gpu_hours": 0.0', f'"gpu_hours": {constant}'))
    assert constant.strip("-") in refused(read_record, folder)


def test_what_is_missing_is_named(tmp_path):
    assert "no finished run" in refused(collect_runs, tmp_path)
    assert "nosuch" in refused(collect_runs, tmp_path, ["nosuch"])
    assert "missing" in refused(collect_runs, tmp_path, ["../../evil"])
    folder = write_run(tmp_path, "r")
    pd.read_csv(folder / "history.csv").drop(columns="seconds").to_csv(folder / "history.csv", index=False)
    assert "history.csv has no column 'seconds'" in refused(collect_runs, tmp_path)
    pd.read_csv(folder / "history.csv").assign(seconds=1.0)[:0].to_csv(folder / "history.csv", index=False)
    assert "history.csv holds no epoch" in refused(collect_runs, tmp_path)
    (folder / "provenance.json").write_text(json.dumps({"parameters": {}}))
    assert "lacks 'workers'" in refused(collect_runs, tmp_path)


def test_one_name_stands_for_a_list(tmp_path):
    for run in ("rgb-n1", "rgb-n2", "other"):
        write_run(tmp_path, run)
    assert collect_runs(tmp_path, "rgb").table["run"].tolist() == ["rgb-n1", "rgb-n2"]
