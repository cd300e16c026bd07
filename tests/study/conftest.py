"""What the tests of studies share: small notebooks, and studies of them."""

import os
import time

import nbformat
import pytest
import yaml

from bigearth import parameters

WRITE = """
from pathlib import Path
folder = Path(results) / stem
folder.mkdir(parents=True, exist_ok=True)
(folder / "table.csv").write_text(f"{value}\\n")
"""


def write_notebook(path, *cells, parameters="value = 1  # any"):
    """A notebook with a parameters cell."""
    parts = [nbformat.v4.new_code_cell(parameters), *(nbformat.v4.new_code_cell(cell) for cell in cells)]
    parts[0].metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=parts, metadata=kernel), path)
    return str(path)


@pytest.fixture
def write(tmp_path):
    """Write a study of the given runs; its path."""

    def write(*runs, defaults=None, name="tiny"):
        paths = {"results": str(tmp_path / "results"), "workdir": str(tmp_path / "work")}
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({"study": name, "defaults": paths | (defaults or {}), "runs": list(runs)}))
        return path

    return write


@pytest.fixture
def table(tmp_path):
    """A notebook that writes one table."""
    cells = "value = 1  # any\nresults = ''  # folder\nstem = 'table'  # its folder"
    return write_notebook(tmp_path / "table.ipynb", WRITE, parameters=cells)


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


PARAMETERS = "workers = 1  # ranks\nlauncher = 'mpi'  # starts them\nrun = 'x'  # name"

# stands in for Slurm: writes down what it is asked, numbers the jobs, refuses those named in REFUSE
FAKE = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >>"$FAKE/asked"
case $name in
  sbatch) for script; do :; done
          if [ -e "$FAKE/refuse" ] && grep -q -e "$(cat "$FAKE/refuse")" "$script"; then
            echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1; fi
          number=$(($(cat "$FAKE/number") + 1)); echo $number >"$FAKE/number"; echo "$number;mini" ;;
  squeue) cat "$FAKE/queue" ;;
esac
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A folder with the stand-in's files: ``asked``, ``queue``, ``refuse``."""
    folder = tmp_path / "fake"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel"):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    (folder / "number").write_text("40")
    (folder / "queue").write_text("")
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def hard_study(tmp_path):
    """A study of three runs in a folder whose name is hard to quote."""
    folder = tmp_path / "it's 100% $HOME"
    folder.mkdir()
    cell = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), folder / "train.ipynb")
    train = parameters.escape(str(folder / "train.ipynb"))
    runs = [
        {"notebook": train, "name": "a", "resources": {"nodes": 2, "tasks_per_node": 2, "time": "01:00:00"}},
        {"notebook": train, "name": "b", "after": ["a"], "resources": {"gpus_per_task": 1, "memory": "8G"}},
        {"notebook": train, "name": "c", "after": ["a", "b"]},
    ]
    place = parameters.escape(str(folder))
    defaults = {"workdir": f"{place}/work", "results": f"{place}/results", "workers": 3}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({"study": "hard", "defaults": defaults, "runs": runs}))
    return path
