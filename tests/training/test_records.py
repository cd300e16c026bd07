"""Files of an earlier run: which are read, and which are refused."""

import json

import numpy as np
import pandas as pd
import pytest

from bigearth.errors import InputError
from bigearth.training import checkpoints, records

LINE = {
    "epoch": 1,
    "learning_rate": 0.1,
    "loss": 0.5,
    "val_loss": 0.6,
    "val_f1": 0.7,
    "seconds": 2.0,
    "images": 32,
    "validation_seconds": 1.0,
}
PARAMETERS = {"run": "trial", "epochs": 2, "width": 4, "workers": 1}
TRAINED_ON = {"classes": 43, "patches": {"train": 30, "validation": 10, "test": 10}, "selection": "abc"}
RESULT = {
    "run": "trial",
    "workers": 1,
    "epochs": 2,
    "val_f1": 0.7,
    "test_f1": 0.6,
    "checksum": "ab",
    "scored": {"validation": "validation", "test": "test"},
    "without_positive": [],
}


def state_after(epoch):
    history = [LINE | {"epoch": number + 1} for number in range(epoch)]
    return {"epoch": epoch, "history": history, "seconds": 3.0, "parameters": PARAMETERS, "trained_on": TRAINED_ON}


def write_checkpoint(folder, epoch, **changes):
    folder.mkdir(exist_ok=True)
    checkpoints.write(folder / "checkpoints", [np.zeros(3)], state_after(epoch) | changes)


@pytest.fixture
def finished(tmp_path):
    """The folder of a finished run."""
    folder = tmp_path / "trial"
    folder.mkdir()
    (folder / "predictions.h5").write_text("")
    (folder / "model.keras").write_text("")
    record = {"parameters": PARAMETERS, "result": RESULT, "trained_on": TRAINED_ON}
    (folder / "provenance.json").write_text(json.dumps(record))
    return folder


def read(folder, parameters=PARAMETERS, trained_on=TRAINED_ON):
    return records.read_earlier(folder, parameters, trained_on, folder / "cube.h5")


@pytest.mark.parametrize("name", ["", ".", "..", "../../evil", "a/b", "/tmp/evil", "a\nb", ".hidden", "x" * 101, "~"])
def test_a_runs_name_never_leads_out_of_its_folder(tmp_path, name):
    with pytest.raises(InputError, match="run is ") as caught:
        records.find_folder(tmp_path, name)
    assert "\n" not in str(caught.value)
    assert records.find_folder(tmp_path, "multispectral-n1-s1") == tmp_path / "runs/multispectral-n1-s1"


def test_nothing_is_there_before_the_first_run(tmp_path):
    assert read(tmp_path / "trial") == records.Earlier()


def test_a_finished_run_gives_its_result(finished):
    assert read(finished).result == RESULT


@pytest.mark.parametrize("changed", [{"epochs": 3}, {"width": 8}, {"workers": 2}])
def test_another_recipe_under_the_same_name_is_refused(finished, tmp_path, changed):
    name, value = next(iter(changed.items()))
    write_checkpoint(tmp_path / "stopped", 1)
    for folder in (finished, tmp_path / "stopped"):
        with pytest.raises(InputError, match=f"exists with {name} = .*, now {value}: choose another name") as caught:
            read(folder, PARAMETERS | changed)
        assert "remove" not in str(caught.value)


def test_other_folders_are_no_other_recipe(finished):
    assert read(finished, PARAMETERS | {"workdir": "/elsewhere", "cube": "other.h5"}).result


@pytest.mark.parametrize(
    "on, said",
    [
        (TRAINED_ON | {"classes": 19}, "43 classes and .* has 19 classes"),
        (TRAINED_ON | {"selection": "xyz"}, "another choice of patches"),
    ],
)
def test_another_cube_under_the_same_name_is_refused(finished, on, said):
    with pytest.raises(InputError, match=said):
        read(finished, trained_on=on)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"result": {}, "parameters": {}}',
        '{"result": 5, "parameters": {}}',
        json.dumps({"result": RESULT | {"test_f1": "high"}, "parameters": {}}),
        json.dumps({"result": RESULT | {"test_f1": 1.5}, "parameters": {}}),
        json.dumps({"result": RESULT | {"val_f1": -0.1}, "parameters": {}}),
        json.dumps({"result": RESULT | {"val_f1": float("nan")}, "parameters": {}}),
        json.dumps({"result": RESULT | {"test_f1": True}, "parameters": {}}),
        "version https://git-lfs.github.com/spec/v1\n",
    ],
)
def test_a_record_that_no_training_wrote_is_refused_in_one_line(finished, content):
    (finished / "provenance.json").write_text(content)
    with pytest.raises(InputError, match="provenance.json") as caught:
        read(finished)
    assert "\n" not in str(caught.value) and "remove" not in str(caught.value)


def test_the_newest_whole_checkpoint_is_used(tmp_path, capsys):
    write_checkpoint(tmp_path, 1)
    write_checkpoint(tmp_path, 2)
    path = tmp_path / "checkpoints/epoch-0002.npz"
    assert read(tmp_path).checkpoint == path
    whole = path.read_bytes()
    for damaged in (whole[:-50], whole[:200] + b"x" + whole[201:], b""):
        path.write_bytes(damaged)
        earlier = read(tmp_path)
        assert earlier.checkpoint.name == "epoch-0001.npz" and earlier.state["epoch"] == 1
        assert "epoch-0002.npz is damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": 99},
        {"epoch": True},
        {"epoch": "2"},
        {"history": []},
        {"history": [LINE, LINE]},
        {"history": [LINE, LINE | {"epoch": 2, "val_f1": float("nan")}]},
        {"history": [LINE, LINE | {"epoch": 2, "loss": float("inf")}]},
        {"history": [LINE, LINE | {"epoch": 2, "val_f1": 1.5}]},
        {"history": [LINE, LINE | {"epoch": 2, "seconds": -1.0}]},
        {"history": [LINE, LINE | {"epoch": 2, "loss": "low"}]},
        {"history": "all"},
        {"seconds": float("nan")},
        {"parameters": PARAMETERS | {"epochs": 1}},
        {"parameters": None},
    ],
)
def test_a_state_that_no_training_left_is_passed_over(tmp_path, capsys, changes):
    write_checkpoint(tmp_path, 1)
    folder = tmp_path / "checkpoints"
    checkpoints.write(folder, [np.zeros(3)], state_after(2))
    with np.load(folder / "epoch-0002.npz") as file:
        variables = {name: file[name] for name in file if name != "state"}
    np.savez(folder / "epoch-0002.npz", state=np.array(json.dumps(state_after(2) | changes)), **variables)
    assert read(tmp_path).state["epoch"] == 1
    assert "epoch-0002.npz is damaged" in capsys.readouterr().out


def test_a_run_that_lost_a_file_goes_on_from_its_checkpoint(finished):
    write_checkpoint(finished, 2)
    for name in records.FINISHED_FILES:
        content = (finished / name).read_bytes()
        (finished / name).unlink()
        earlier = read(finished)
        assert earlier.result is None and earlier.state["epoch"] == 2
        (finished / name).write_bytes(content)


@pytest.mark.parametrize("name", ["history.csv", "notes.txt", "timings.csv", "checkpoints/epoch-0001.npz"])
def test_what_no_training_can_go_on_from_is_kept_aside(tmp_path, capsys, name):
    folder = tmp_path / "trial"
    for aside in ("trial.old", "trial.old2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
        records.start_tables(folder, state_after(0))
        assert (tmp_path / aside / name).read_text() == "mine" and aside in capsys.readouterr().out
        assert [path.name for path in folder.iterdir()] == ["timings.csv"]
    records.start_tables(folder, state_after(0))  # what a training leaves that was stopped in its first epoch
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial", "trial.old", "trial.old2"]


def write_timings(folder, epochs):
    table = pd.DataFrame([[epoch, 1, 0, 0.1, 0.2, 0.3, 0.7] for epoch in epochs], columns=list(records.TIMINGS))
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "timings.csv", index=False)


def test_tables_are_brought_to_the_checkpoint(tmp_path):
    write_timings(tmp_path, [1, 2])
    records.start_tables(tmp_path, state_after(1))
    assert pd.read_csv(tmp_path / "timings.csv")["epoch"].tolist() == [1]
    assert pd.read_csv(tmp_path / "history.csv").to_dict("records") == [LINE]
    records.append_timings(tmp_path, np.array([[2, 1, 0, 0.1, 0.2, 0.3, 0.7]]))
    assert pd.read_csv(tmp_path / "timings.csv")["epoch"].tolist() == [1, 2]
    (tmp_path / "history.csv").unlink()
    records.start_tables(tmp_path, state_after(0))
    assert pd.read_csv(tmp_path / "timings.csv").empty


@pytest.mark.parametrize("cell", ["nan", "inf", "fast", ""])
def test_damaged_timings_are_kept_aside_and_said(tmp_path, capsys, cell):
    write_timings(tmp_path, [1])
    damaged = (tmp_path / "timings.csv").read_text().replace("0.7", cell)
    for name in ("timings.csv.old", "timings.csv.old2"):
        (tmp_path / "timings.csv").write_text(damaged)
        records.start_tables(tmp_path, state_after(1))
        assert (tmp_path / name).read_text() == damaged
    assert pd.read_csv(tmp_path / "timings.csv").empty and "timings.csv" in capsys.readouterr().out
