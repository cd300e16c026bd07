"""What a study may say, and what is refused before anything runs."""

import pytest

from bigearth.__main__ import main
from bigearth.errors import InputError
from bigearth.study import definition
from tests.study.conftest import write_notebook


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"notebok": "x"}, "run 1: unknown key 'notebok'; did you mean 'notebook'"),
        ({"notebook": "04_nothing"}, "notebook '04_nothing' is missing"),
        ({"parameters": {"valu": 2}}, "parameter 'valu' is not declared .* did you mean 'value'"),
        ({"after": ["nobody"]}, "after names 'nobody'"),
        ({"after": ["table"]}, "a cycle among table"),
        ({"name": "a; rm -rf $HOME"}, "cannot be a name"),
        ({"name": "../up"}, "cannot be a name"),
        ({"resources": {"time": 36000}}, "time is 36000; write hours:minutes:seconds, for example 10:00:00"),
        ({"resources": {"time": "soon"}}, "write hours:minutes:seconds"),
        ({"resources": {"memory": "1; reboot"}}, "memory is"),
        ({"resources": {"nodes": 0}}, "must be 1 or more"),
        ({"resources": {"gpu": 1}}, "unknown key 'gpu'"),
        ({"repeats": 2, "name": "x"}, "repeats need a parameter 'seed'"),
        ({"repeats": True}, "repeats is True"),
    ],
)
def test_mistakes_are_found_before_anything_runs(write, table, change, message):
    with pytest.raises(InputError, match=message):
        definition.load(write({"notebook": table} | change))


def test_other_mistakes(write, table, tmp_path, capsys):
    with pytest.raises(InputError, match="two runs are named 'table'"):
        definition.load(write({"notebook": table}, {"notebook": table}))
    with pytest.raises(InputError, match="no notebook of the study declares 'epoch'"):
        definition.load(write({"notebook": table}, defaults={"epoch": 3}))
    with pytest.raises(InputError, match="a cycle among a, b"):
        runs = [{"notebook": table, "name": name, "after": [other]} for name, other in ("ab", "ba")]
        definition.load(write(*runs))
    (tmp_path / "broken.yaml").write_text("study: [")
    assert main(["study", str(tmp_path / "broken.yaml")]) == 2
    assert main(["study", str(tmp_path / "missing.yaml")]) == 2
    assert main(["study", str(write({"notebook": table})), "--run", "other"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3 and "not valid YAML" in errors[0] and "missing.yaml" in errors[1] and "table" in errors[2]


def test_a_broken_notebook_is_named(write, tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(InputError, match="broken.ipynb: not a notebook that can be run"):
        definition.load(write({"notebook": str(tmp_path / "broken.ipynb")}))


def test_yaml_cannot_run_code(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text(f"study: !!python/object/apply:os.system ['touch {tmp_path}/pwned']")
    with pytest.raises(InputError, match="not valid YAML"):
        definition.load(path)
    assert not (tmp_path / "pwned").exists()


def test_repeats_and_node_counts_become_runs(write, tmp_path):
    parameters = "run = 'x'  # name\nseed = 1  # of all\nruns = []  # names\nworkers = 1  # ranks"
    book = write_notebook(tmp_path / "train.ipynb", parameters=parameters)
    loaded = definition.load(
        write(
            {"notebook": book, "name": "collect", "parameters": {"runs": ["a", "other"]}, "after": ["a"]},
            {"notebook": book, "name": "a", "repeats": 2, "parameters": {"seed": 5}, "resources": {"nodes": [1, 4]}},
            defaults={"workers": 2},
        )
    )
    names = ["a-n1-s1", "a-n1-s2", "a-n4-s1", "a-n4-s2"]
    assert [run.name for run in loaded.runs] == [*names, "collect"]
    assert [run.parameters["seed"] for run in loaded.runs[:4]] == [5, 6, 5, 6]
    assert [run.parameters["run"] for run in loaded.runs[:4]] == names
    assert [run.resources["nodes"] for run in loaded.runs[:4]] == [1, 1, 4, 4]
    assert loaded.runs[4].after == loaded.runs[:4] and loaded.runs[4].parameters["runs"] == [*names, "other"]
    assert loaded.runs[2].stem == "train-a-n4-s1" and loaded.runs[2].parameters["workers"] == 2
