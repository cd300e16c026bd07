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


TYPED = """
run: str = ""  # name
seed: int = 1  # of all
augment: bool = True  # flips
blocks: list[int] = [1, 1]  # stages
exclude: list[str] = []  # lists
workers: "int or None" = 2  # ranks
rate: float = 0.1  # of learning
archive: str = ""  # folder
"""


@pytest.fixture
def typed(tmp_path):
    return write_notebook(tmp_path / "typed.ipynb", parameters=TYPED.strip())


def write_text(tmp_path, typed, parameters="", entry="", defaults=""):
    """A study as a person types it: lines of YAML."""
    path = tmp_path / "typed.yaml"
    head = f"study: tiny\ndefaults: {{workdir: {tmp_path}/work, results: {tmp_path}/results{defaults}}}\n"
    path.write_text(f"{head}runs:\n  - notebook: {typed}\n    name: a\n    parameters: {{{parameters}}}\n{entry}")
    return path


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("augment: 'no'", "augment", False),
        ('augment: "false"', "augment", False),
        ("augment: off", "augment", False),
        ('augment: "0"', "augment", False),
        ("workers: 'null'", "workers", None),
        ("workers: ~", "workers", None),
        ("workers: None", "workers", None),
        ("blocks: '1,1,1,1'", "blocks", [1, 1, 1, 1]),
        ("blocks: '[1, 1]'", "blocks", [1, 1]),
        ("exclude: list.csv", "exclude", ["list.csv"]),
        ("rate: 1e-3", "rate", 0.001),
        ("seed: '5'", "seed", 5),
        ("seed: 5.0", "seed", 5),
        ("archive: 2024", "archive", "2024"),
        ("archive: 2018-05-01", "archive", "2018-05-01"),
        ("archive: $HERE/data", "archive", "/here/data"),
    ],
)
def test_values_mean_what_a_person_means(tmp_path, typed, monkeypatch, text, name, value):
    monkeypatch.setenv("HERE", "/here")
    run = definition.load(write_text(tmp_path, typed, parameters=text)).runs[0]
    assert run.parameters[name] == value and type(run.parameters[name]) is type(value)
    default = definition.load(write_text(tmp_path, typed, defaults=f", {text}")).runs[0]
    assert default.parameters[name] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("augment: maybe", "augment is 'maybe': give true or false"),
        ("seed: 1.5", "seed is 1.5: give a whole number"),
        ("seed: true", "seed is True"),
        ("seed: x", "seed is 'x'"),
        ("blocks: 5", "blocks is 5: give a list"),
        ("blocks: '3463'", "blocks is '3463': give a list"),
        ("workers: .nan", "workers is nan"),
        ("rate: .inf", "rate is inf"),
        ("archive: $NOT_SET_HERE/data", "the environment variable NOT_SET_HERE is not set"),
        ("archive: yes", "archive is True: give text; in YAML write it in quotes"),
        ("archive: 1.10", "archive is 1.1: give text"),
        ("sead: 1", "parameter 'sead' is not declared .* did you mean 'seed'"),
    ],
)
def test_values_that_cannot_be_meant(tmp_path, typed, monkeypatch, text, message):
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    with pytest.raises(InputError, match=message) as told:
        definition.load(write_text(tmp_path, typed, parameters=text))
    assert "\n" not in str(told.value) and "typed.yaml: run a" in str(told.value)


def test_times_without_quotes_are_understood(tmp_path, typed):
    entry = "    resources: {time: 10:00:00, memory: 64G, nodes: [1, 2]}\n"
    for run in definition.load(write_text(tmp_path, typed, entry=entry)).runs:
        assert run.resources["time"] == "10:00:00" and run.resources["memory"] == "64G"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("    repeats: 100000\n", "100,000 runs; at most 1,000"),
        ("    repeats: 0\n", "repeats is 0"),
        ("    repeats: [1]\n", "repeats is"),
        ("    resources: {time: 36000}\n", "time is 36000; write hours:minutes:seconds"),
        ("    resources: {time: 10:99:00}\n", "write hours:minutes:seconds"),
        ("    resources: {time: 0:00:00}\n", "no limit"),
        ("    resources: {memory: 64}\n", "memory is 64; write for example 64G"),
        ("    resources: {nodes: []}\n", "nodes is"),
        ("    resources: {nodes: [2, 2]}\n", "give each number once"),
        ("    resources: {nodes: two}\n", "nodes is"),
        ("    resources: {gpus_per_task: -1}\n", "must be 0 or more"),
        ("    resources: {task_per_node: 1}\n", "did you mean 'tasks_per_node'"),
        ("    resources: 5\n", "resources is 5"),
        ("    afther: [a]\n", "did you mean 'after'"),
        ("    after: [b]\n", "after names 'b'"),
        ("    name: b\n", "not valid YAML"),  # a key twice
    ],
)
def test_entries_that_cannot_be_meant(tmp_path, typed, entry, message):
    with pytest.raises(InputError, match=message) as told:
        definition.load(write_text(tmp_path, typed, entry=entry))
    assert "\n" not in str(told.value)


def test_node_counts_as_text_are_named_like_a_list(tmp_path, typed):
    loaded = definition.load(write_text(tmp_path, typed, entry="    resources: {nodes: '1, 4'}\n"))
    assert [run.name for run in loaded.runs] == ["a-n1", "a-n4"]


def test_results_must_be_a_folder(write, table):
    for value in (5, "", None, [1], True):
        with pytest.raises(InputError, match="results is .*; give a folder or leave the line out"):
            definition.load(write({"notebook": table}, defaults={"results": value}))


def test_a_misspelt_notebook_is_told_with_the_nearest(write):
    with pytest.raises(InputError, match="'03_trainig' is missing: .* did you mean '03_training'"):
        definition.load(write({"notebook": "03_trainig"}))


def test_yaml_that_is_too_much(tmp_path):
    path = tmp_path / "many.yaml"
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="many.yaml"):
        definition.load(path)
    for content in (
        "",
        "5",
        "- a",
        "study: tiny",
        "runs: [1]\nstudy: a",
        "study: a\nruns: 5",
        "study: a\nruns: [null]",
    ):
        path.write_text(content)
        with pytest.raises(InputError, match="many.yaml"):
            definition.load(path)


def test_one_run_after_another_without_a_list(write, table):
    loaded = definition.load(write({"notebook": table, "name": "a"}, {"notebook": table, "name": "b", "after": "a"}))
    assert [parent.name for parent in loaded.runs[1].after] == ["a"]


def test_the_order_of_the_file_is_kept(write, table):
    runs = [
        {"notebook": table, "name": name, "after": after} for name, after in (("c", ["d"]), ("a", []), ("d", ["a"]))
    ]
    assert [run.name for run in definition.load(write(*runs)).runs] == ["a", "d", "c"]


def test_a_run_replaces_neither_its_notebook_nor_another_runs_draft(write, table, tmp_path):
    with pytest.raises(InputError, match="would replace its own notebook"):
        definition.load(write({"notebook": table}, defaults={"results": str(tmp_path)}))
    with pytest.raises(InputError, match="cannot end with .partial"):
        definition.load(write({"notebook": table, "name": "x"}, {"notebook": table, "name": "x.partial"}))


def test_what_is_too_long_is_refused_in_few_words(write, table):
    for entry in (
        {"notebook": "a" * 5000},
        {"notebook": "a" * 5000 + ".ipynb"},
        {"notebook": table, "after": "a" * 5000},
    ):
        with pytest.raises(InputError) as told:
            definition.load(write(entry))
        assert len(str(told.value)) < 500


def test_an_empty_folder_is_named(write):
    with pytest.raises(InputError, match="run 01_exploration: results is empty"):
        definition.load(write({"notebook": "01_exploration", "parameters": {"results": ""}}))
