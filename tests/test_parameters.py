"""The door for parameters: what a person types is what happens, or an error in one line."""

import datetime
import json
import math
import os
import subprocess
import sys

import nbformat
import papermill
import pytest
from IPython.core.interactiveshell import InteractiveShell

from bigearth import parameters
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.parameters import convert, convert_all

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("false", "bool", False), ("no", "bool", False), ("off", "bool", False), ("0", "bool", False),
        ("False", "bool", False), (0, "bool", False), ("true", "bool", True), ("Yes ", "bool", True),
        (1, "bool", True), (True, "bool", True),
        ("5", "int", 5), (5.0, "int", 5), ("1e3", "int", 1000), (-1, "int", -1), (" 7 ", "int", 7),
        ("1e-3", "float", 0.001), (1, "float", 1.0), (".5", "float", 0.5), ("-2", "float", -2.0),
        (2024, "str", "2024"), ("2024", "str", "2024"), ("", "str", ""), ("null", "str", "null"),
        (datetime.date(2018, 5, 1), "str", "2018-05-01"), (ROOT, "str", str(ROOT)),
        ("null", "int or None", None), ("none", "int | None", None), ("None", int | None, None),
        ("", "int or None", None), (None, "int or None", None), ("2", "int or None", 2), (0, "int or None", 0),
        ("none", "str or None", None), ("imagenet", "str or None", "imagenet"),
        ("[1, 1, 1, 1]", "list[int]", [1, 1, 1, 1]), ("1,1,1,1", list[int], [1, 1, 1, 1]),
        ((1, 2), "list[int]", [1, 2]),
        ("[]", "list[int]", []), ("", "list[str]", []), (None, "list[str]", []),
        ("[0.3, 1e-1]", "list[float]", [0.3, 0.1]), ([1], "list[float]", [1.0]),
        ("list.csv", "list[str]", ["list.csv"]), ("a.csv, b.csv", "list[str]", ["a.csv", "b.csv"]),
        (["a", 2024], "list[str]", ["a", "2024"]), ("[a, 'b']", "list[str]", ["a", "b"]),
        ("rgb", "str or list[str]", "rgb"), ("[B02, B03]", "str or list[str]", ["B02", "B03"]),
        ("B02,B03", "str or list[str]", ["B02", "B03"]), (["B02"], str | list[str], ["B02"]),
        ("{clipnorm: 1.0}", "dict or None", {"clipnorm": 1.0}), ({}, "dict", {}), ("none", "dict or None", None),
    ],
)  # fmt: skip
def test_text_means_what_a_person_means(value, annotation, expected):
    converted = convert("x", value, annotation)
    assert converted == expected and type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("maybe", "bool"), (2, "bool"), (0.0, "bool"), (None, "bool"), ("", "bool"), ([], "bool"),
        (True, "int"), (False, "float"), (math.nan, "int"), (math.inf, "int"), (2.5, "int"), ("x", "int"), ("", "int"),
        ("2.5", "int"), ("nan", "int"), ("0x10", "int"), ("1_000", "int"), ("1,000", "int"), (None, "int"),
        ("٥", "int"),
        (math.nan, "float"), (-math.inf, "float"), ("inf", "float"), ("1e400", "float"), ("1,5", "float"),
        (10**400, "float"),
        (True, "str"), (1.1, "str"), (None, "str"), ([], "str"), ({}, "str"), ("a\nb", "str"), ("a\0b", "str"),
        (datetime.datetime(2018, 5, 1), "str"), ("a" * 20_000, "str"),
        ("two", "int or None"), (2.5, "int or None"), (math.nan, "int or None"), (True, "int or None"),
        (5, "list[int]"), ("5", "list[int]"), ("3463", "list[int]"), ([1, True], "list[int]"), ([1, None], "list[int]"),
        ("[1, x]", "list[int]"), ("[1", "list[int]"), ({"a": 1}, "list[str]"), ([["a"]], "list[str]"),
        ([1.5], "str or list[str]"), (2.5, "str or list[str]"), ([1], "dict"), ("a", "dict"),
        ({1: 2}, "dict"), ("{a", "dict"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_an_error_in_one_line(value, annotation):
    with pytest.raises(InputError) as told:
        convert("x", value, annotation)
    message = str(told.value)
    assert message.startswith("x is ") and "\n" not in message and len(message) < 300


def test_converting_again_changes_nothing():
    for value, annotation in (("false", "bool"), ("[1, 2]", "list[int]"), ("rgb", "str or list[str]")):
        once = convert("x", value, annotation)
        assert convert("x", once, annotation) == once


def test_variables_in_paths(monkeypatch):
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert convert("cube", "$SCRATCH/cube.h5", "str") == "/scratch/me/cube.h5"
    assert convert("cube", "a/${SCRATCH}x", "str") == "a//scratch/mex"
    assert convert("exclude", ["$SCRATCH/a.csv"], "list[str]") == ["/scratch/me/a.csv"]
    assert convert("cube", "~/cube.h5", "str") == "/home/me/cube.h5"
    assert convert("cube", "a$$b", "str") == "a$b"
    for wrong, named in (
        ("$NOWHERE/a", "NOWHERE is not set"),
        ("${NOWHERE}", "NOWHERE is not set"),
        ("~nobody-here/a", "user"),
    ):
        with pytest.raises(InputError, match=named):
            convert("cube", wrong, "str")


def test_what_was_converted_can_be_given_again():
    assert convert("x", parameters.escape("a$HOME"), "str") == "a$HOME"
    assert convert("x", parameters.escape(["$$"]), "list[str]") == ["$$"]
    assert parameters.escape(5) == 5


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(InputError, match="^here: 'epoch' is unknown; did you mean 'epochs'[?]$"):
        convert_all({"epoch": 1}, {"epochs": "int", "run": "str"}, "here")
    with pytest.raises(InputError, match="known: epochs, run"):
        convert_all({"quite other": 1}, {"epochs": "int", "run": "str"}, "here")
    with pytest.raises(InputError, match="^here: epochs is 'x': give a whole number$"):
        convert_all({"epochs": "x"}, {"epochs": "int"}, "here")
    assert parameters.suggest("EPOCHS", ["epochs"]) == "did you mean 'epochs'?"


def test_a_value_that_multiplies_is_shown_short():
    value = ["x" * 1000]
    for _ in range(40):
        value = [value, value]
    with pytest.raises(InputError) as told:
        convert("x", value, "int")
    assert len(str(told.value)) < 300


def test_unknown_types_are_told():
    for text in ("Path", "list[Path]", "1", "print()", "int and None", ""):
        with pytest.raises(InputError, match="the type .* is unknown"):
            parameters.read_type(text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_is_declared_and_its_default_is_of_its_type(path):
    declared = parameters.read_declared(path)
    assert declared
    for name, parameter in declared.items():
        assert parameter.type is not parameters.Any, f"{name} has no type"
        assert convert(name, parameter.default, parameter.type) == parameter.default
    shown = papermill.inspect_notebook(path)
    assert set(shown) == set(declared)  # papermill reads lines by a pattern of its own
    assert all(found["inferred_type_name"] != "None" for found in shown.values())


def write_notebook(path, source):
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_declared_parameters_of_a_file(tmp_path):
    source = 'epochs: int = 24  # passes\nworkers: "int or None" = None  # ranks\nvalue = 1  # any\nfolder = f(1)'
    declared = parameters.read_declared(write_notebook(tmp_path / "a.ipynb", source))
    assert declared["epochs"] == parameters.Parameter(int, 24)
    assert declared["workers"] == parameters.Parameter(int | None, None)
    assert declared["value"] == parameters.Parameter(parameters.Any, 1)
    assert declared["folder"] == parameters.Parameter(parameters.Any, "f(1)")
    for wrong in ("import os", "epochs: integer = 1"):
        with pytest.raises(InputError, match="b.ipynb: (the parameters cell must|epochs: the type)"):
            parameters.read_declared(write_notebook(tmp_path / "b.ipynb", wrong))
    for content in ("{", json.dumps({"cells": 1}), "[]", ""):
        (tmp_path / "c.ipynb").write_text(content)
        with pytest.raises(InputError, match="c.ipynb: not a notebook"):
            parameters.read_declared(tmp_path / "c.ipynb")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "d.ipynb")
    assert parameters.read_declared(tmp_path / "d.ipynb") == {}


DECLARED = 'epochs: int = 24  # passes\nworkers: "int or None" = 2  # ranks\naugment: bool = True  # flips'
CALL = "from bigearth.parameters import of_notebook\nfound = of_notebook()"


@pytest.fixture
def shell():
    """IPython without a notebook: cells are run in it one by one."""
    made = InteractiveShell.instance(history_length=0)
    yield made
    made.reset()
    InteractiveShell.clear_instance()


def run_cells(shell, *cells):
    for cell in cells:
        done = shell.run_cell(cell, store_history=True)
        if error := done.error_in_exec or done.error_before_exec:
            raise error
    return {name: shell.user_ns[name] for name in ("epochs", "workers", "augment")}


def test_a_notebook_converts_its_parameters(shell):
    cells = DECLARED, "# Parameters\naugment = 'no'\nworkers = 'null'\n", CALL
    expected = {"epochs": 24, "workers": None, "augment": False}
    assert run_cells(shell, *cells) == expected
    assert shell.user_ns["found"] == expected
    assert run_cells(shell, "text = 1", *cells) == expected  # Run All again
    assert run_cells(shell, CALL) == expected  # the cell alone
    assert run_cells(shell, DECLARED, CALL)["augment"] is True


def test_a_notebook_refuses_names_that_it_does_not_declare(shell):
    with pytest.raises(InputError, match="'epoch' is not declared; did you mean 'epochs'"):
        run_cells(shell, DECLARED, "# Parameters\nepoch = 3", CALL)
    with pytest.raises(InputError, match="'epoch' is not declared"):  # typed into the cell
        run_cells(shell, f"{DECLARED}\nepoch = 3", CALL)
    run_cells(shell, DECLARED, "# Parameters\nepochs = 3", CALL)  # corrected, in the same kernel
    with pytest.raises(InputError, match="augment is 'maybe': give true or false"):
        run_cells(shell, DECLARED, "# Parameters\naugment = 'maybe'", CALL)


def test_a_notebook_whose_parameters_cell_was_not_run(shell):
    with pytest.raises(InputError, match="choose Run All"):
        run_cells(shell, "import os", "counts = 5", CALL)


def test_parameters_outside_a_notebook():
    with pytest.raises(InputError, match="in a notebook"):
        parameters.of_notebook()


DOOR = """
from bigearth.parameters import of_notebook
import json
found = of_notebook()
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-p", "augment", "false", "-p", "workers", "None", "-p", "blocks", "[1, 2]", "-p", "run", "2024"],
         {"augment": False, "workers": None, "blocks": [1, 2], "run": "2024"}),
        (["-r", "augment", "no", "-r", "workers", "null", "-r", "blocks", "1,2", "-r", "run", "2024"],
         {"augment": False, "workers": None, "blocks": [1, 2], "run": "2024"}),
        (["-y", "{augment: 'off', workers: ~, blocks: [1, 2], run: 2024, epochs: '5'}"],
         {"augment": False, "workers": None, "blocks": [1, 2], "run": "2024", "epochs": 5}),
        (["-f", "given.yaml"], {"augment": False, "run": "$SCRATCH/a"}),
        (["-p", "augment", "maybe"], "augment is 'maybe': give true or false"),
        (["-p", "epoch", "3"], "'epoch' is not declared; did you mean 'epochs'?"),
        (["-r", "epochs", "NaN"], "epochs is 'NaN': give a whole number"),
    ],
)  # fmt: skip
def test_every_way_into_papermill(tmp_path, options, expected):
    """A notebook executed by papermill's own command; its kernel is this interpreter's."""
    source = f'{DECLARED}\nblocks: list[int] = [1]  # stages\nrun: str = "a"  # name'
    path = write_notebook(tmp_path / "in.ipynb", source)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(DOOR))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    (tmp_path / "given.yaml").write_text("augment: 'no'\nrun: $$SCRATCH/a\n")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    if isinstance(expected, str):
        assert done.returncode and expected in done.stderr
    else:
        assert not done.returncode, done.stderr
        printed = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1].outputs[0].text
        defaults = {"epochs": 24, "workers": 2, "augment": True, "blocks": [1], "run": "a"}
        assert json.loads(printed) == defaults | expected
