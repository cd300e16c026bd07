"""The parameters that a notebook declares: converted when it runs, whatever way they came."""

import json
import os
import subprocess
import sys
from typing import Any

import nbformat
import papermill
import pytest
from IPython.core.interactiveshell import InteractiveShell

from bigearth import declarations
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.parameters import convert

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_is_declared_and_its_default_is_of_its_type(path):
    declared = declarations.read_declared(path)
    assert declared
    for name, parameter in declared.items():
        assert parameter.type is not Any, f"{name} has no type"
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
    declared = declarations.read_declared(write_notebook(tmp_path / "a.ipynb", source))
    assert declared["epochs"] == declarations.Parameter(int, 24)
    assert declared["workers"] == declarations.Parameter(int | None, None)
    assert declared["value"] == declarations.Parameter(Any, 1)
    assert declared["folder"] == declarations.Parameter(Any, "f(1)")
    for wrong in ("import os", "epochs: integer = 1"):
        with pytest.raises(InputError, match="b.ipynb: (the parameters cell must|epochs: the type)"):
            declarations.read_declared(write_notebook(tmp_path / "b.ipynb", wrong))
    for content in ("{", json.dumps({"cells": 1}), "[]", ""):
        (tmp_path / "c.ipynb").write_text(content)
        with pytest.raises(InputError, match="c.ipynb: not a notebook"):
            declarations.read_declared(tmp_path / "c.ipynb")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "d.ipynb")
    assert declarations.read_declared(tmp_path / "d.ipynb") == {}


DECLARED = 'epochs: int = 24  # passes\nworkers: "int or None" = 2  # ranks\naugment: bool = True  # flips'
CALL = "from bigearth.declarations import of_notebook\nfound = of_notebook()"


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
        declarations.of_notebook()


DOOR = """
from bigearth.declarations import of_notebook
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
