"""A run: its inputs, whether it is finished, and its lock."""

import json

import pytest

from bigearth.errors import InputError
from bigearth.study import definition
from tests.study.conftest import write_notebook


def test_what_a_run_depends_on(write, tmp_path):
    """The cube and the predictions it reads, the parameters of what came before; not the code that drew figures."""
    parent = write_notebook(
        tmp_path / "parent.ipynb",
        "'draws'",
        parameters="archive = ''  # folder\nsplits = ''  # folder\ncube = ''  # file",
    )
    child = write_notebook(tmp_path / "child.ipynb", parameters="cube = ''  # file\nruns = []  # names")
    cube, predictions = tmp_path / "cube.h5", tmp_path / "work" / "runs" / "rgb" / "predictions.h5"
    predictions.parent.mkdir(parents=True)
    before = set()

    def is_new(**parameters):
        runs = [{"notebook": parent, "parameters": parameters}]
        runs += [{"notebook": child, "after": ["parent"], "parameters": {"runs": ["rgb"]}}]
        loaded = definition.load(write(*runs, defaults={"cube": str(cube)}))
        marks = [run.fingerprint()["all"] for run in loaded.runs]
        new = [mark not in before for mark in marks]
        before.update(marks)
        return new

    assert is_new() == [True, True]
    cube.touch()
    assert is_new() == [False, True]  # the parent writes it, the child reads it
    predictions.touch()
    assert is_new() == [False, True]
    assert is_new(archive="other") == [True, True]
    write_notebook(
        parent, "'draws better'", parameters="archive = ''  # folder\nsplits = ''  # folder\ncube = ''  # file"
    )
    assert is_new(archive="other") == [True, False]


def test_a_fingerprint_is_computed_once_however_long_the_chain(write, table, monkeypatch):
    entries = [{"notebook": table, "name": f"r{i}", "after": [f"r{j}" for j in range(i)]} for i in range(12)]
    loaded = definition.load(write(*entries))
    computed = []
    compute = type(loaded.runs[0])._compute_fingerprint
    monkeypatch.setattr(type(loaded.runs[0]), "_compute_fingerprint", lambda run: computed.append(run) or compute(run))
    loaded.runs[-1].fingerprint()
    assert len(computed) == 12


def test_an_edited_list_makes_the_run_and_what_follows_new(write, tmp_path):
    listed = tmp_path / "snow.csv"
    listed.write_text("a\n")
    parameters = f"archive: str = ''  # folder\nexclude: list[str] = [{str(listed)!r}]  # a default names it, too"
    reader = write_notebook(tmp_path / "reader.ipynb", parameters=parameters)
    follower = write_notebook(tmp_path / "follower.ipynb")
    path = write({"notebook": reader}, {"notebook": follower, "after": ["reader"]})
    before = [run.fingerprint() for run in definition.load(path).runs]
    assert [run.fingerprint() for run in definition.load(path).runs] == before
    listed.write_text("a\nb\n")
    after = [run.fingerprint() for run in definition.load(path).runs]
    assert all(new["all"] != old["all"] for new, old in zip(after, before, strict=True))


def test_what_a_run_creates_itself_does_not_make_it_new(write, tmp_path):
    book = write_notebook(tmp_path / "maker.ipynb", parameters="archive: str = 'miniature'  # generated")
    path = write({"notebook": book})
    run = definition.load(path).runs[0]
    run.fingerprint()
    (run.workdir / "archive").mkdir(parents=True)
    run.accept_created_inputs()
    run.write_state(finished=True, outputs=[])
    assert run.finished() and definition.load(path).runs[0].finished()


DAMAGED = ["", "{", "[]", "null", "\x00", '{"finished": true}', '{"fingerprint": {"all": 1}}']
DAMAGED.append('{"finished": true, "fingerprint": {"all": "a", "input": "b"}, "outputs": [1]}')


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_state_means_not_finished(write, table, content):
    run = definition.load(write({"notebook": table})).runs[0]
    run.write_state(finished=True, outputs=[])
    assert run.finished()
    (run.state_folder / f"{run.stem}.json").write_text(content)
    assert not run.finished()


def test_a_missing_output_means_not_finished(write, table, tmp_path):
    run = definition.load(write({"notebook": table})).runs[0]
    run.write_state(finished=True, outputs=[str(tmp_path / "gone.csv")])
    assert not run.finished()
    state = json.loads((run.state_folder / f"{run.stem}.json").read_text())
    assert state["fingerprint"] == run.fingerprint()


def test_one_process_at_a_time(write, table):
    first, second = (definition.load(write({"notebook": table})).runs[0] for _ in range(2))
    with first.lock(), pytest.raises(InputError, match="run table of study tiny is in use by another process"):
        with second.lock():
            pass


def test_changed_runs_name_the_copies_of_their_parents(write, table):
    loaded = definition.load(write({"notebook": table, "name": "a"}, {"notebook": table, "name": "b", "after": ["a"]}))
    changed = loaded.change_runs({"a": {"parameters": {"value": 9}}})
    assert changed.runs[1].after == (changed.runs[0],) and changed.runs[0].parameters == {"value": 9}
    assert changed.runs[1].fingerprint()["input"] != loaded.runs[1].fingerprint()["input"]
