"""The kernel of a study: this interpreter with the project on its path; registered once, and not by an import."""

import os
import subprocess
import sys

import nbformat
from papermill.iorw import papermill_io

from bigearth.files import ROOT
from bigearth.progress import MARK
from bigearth.study import kernel


def test_the_kernel_is_this_interpreter(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/mine")
    spec = kernel.Kernel().kernel_spec
    assert spec.argv[0] == sys.executable
    assert spec.env["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "/mine"]


def test_importing_registers_nothing():
    code = "from papermill.engines import papermill_engines as e; import bigearth.study.execute; print(*e._engines)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert kernel.ENGINE not in done.stdout.split() and not done.returncode


def test_registering_again_changes_nothing():
    kernel.register_with_papermill()
    before = list(papermill_io._handlers)
    kernel.register_with_papermill()
    assert papermill_io._handlers == before


def test_a_notebook_is_written_whole(tmp_path):
    path = tmp_path / "a.ipynb"
    kernel.AtomicHandler().write("content", str(path))
    assert path.read_text() == "content" and list(tmp_path.iterdir()) == [path]


def test_the_newest_progress_of_a_cell_is_found():
    cell = nbformat.v4.new_code_cell("work()")
    assert kernel.find_progress([]) == kernel.find_progress([cell]) == ""
    for line, metadata in (("2 workers started", MARK), ("training: 30 %", MARK), ("a figure", {})):
        cell.outputs.append(nbformat.v4.new_output("display_data", {"text/plain": line}, metadata=metadata))
    assert kernel.find_progress([cell]) == "training: 30 %"
