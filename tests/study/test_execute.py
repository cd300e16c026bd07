"""Executing a study: what is executed, skipped, kept and stopped."""

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial

import nbformat
import psutil
import pytest

from bigearth.__main__ import main
from bigearth.files import ROOT
from bigearth.study import definition, execute
from tests.study.conftest import WRITE, wait_until, write_notebook


@pytest.fixture(autouse=True)
def site(monkeypatch):
    """Rendering pages is another module's job."""
    monkeypatch.setattr(execute, "render", lambda results: None)


def test_a_study_runs_once_and_again_when_something_changes(write, table, tmp_path, capsys):
    child = write_notebook(tmp_path / "child.ipynb", "import sys; print(sys.executable)")
    archive = tmp_path / "archive.csv"
    archive.write_text("1")
    reader = write_notebook(tmp_path / "reader.ipynb", parameters="archive = ''  # file")
    runs = [
        {"notebook": table},
        {"notebook": child, "after": ["table"]},
        {"notebook": reader, "parameters": {"archive": str(archive)}},
    ]

    def call(*options):
        status = main(["study", str(write(*runs)), *options])
        return status, [line.rsplit(" in ", 1)[0] for line in capsys.readouterr().out.splitlines()]

    fresh = ["table: done", "child: done", "reader: done"]
    kept = [f"{name}: finished before, unchanged" for name in ("table", "child", "reader")]
    assert call() == (0, fresh)
    executed = nbformat.read(tmp_path / "results" / "child.ipynb", 4)
    assert executed.cells[-1].outputs[0].text.strip() == sys.executable
    record = json.loads((tmp_path / "results" / "table" / "provenance.json").read_text())
    assert record["run"] == "table" and record["parameters"]["value"] == 1
    assert call() == (0, kept)
    archive.write_text("22")
    assert call() == (0, [*kept[:2], fresh[2]])
    runs[0]["parameters"] = {"value": 7}
    assert call() == (0, [*fresh[:2], kept[2]])  # what comes after is done anew as well
    assert (tmp_path / "results" / "table" / "table.csv").read_text() == "7\n"
    (tmp_path / "results" / "table" / "table.csv").unlink()
    assert call() == (0, [fresh[0], *kept[1:]])
    write_notebook(child, "1 + 1")
    assert call("--run", "child") == (0, [fresh[1]])
    assert call("--force", "--run", "reader") == (0, [fresh[2]])
    assert call() == (0, kept)


def test_a_failure_stops_what_depends_on_it_and_keeps_what_was_there(write, table, tmp_path, capsys):
    cells = WRITE, "print('so far')", "if value > 1:\n    raise ValueError('too much\\nof it')"
    parameters = "value = 1  # any\nresults = ''  # folder\nstem = 'fails'  # its folder"
    fails = write_notebook(tmp_path / "fails.ipynb", *cells, parameters=parameters)
    runs = [{"notebook": fails}, {"notebook": table, "after": ["fails"]}, {"notebook": table, "name": "free"}]
    assert main(["study", str(write(*runs))]) == 0
    runs[0]["parameters"] = {"value": 2}
    capsys.readouterr()
    assert main(["study", str(write(*runs))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("fails: failed in cell [5] (if value > 1:): ValueError: too much; see ")
    assert lines[0].endswith("results/fails.partial.ipynb")
    assert lines[1:] == ["table: left out, for it needs fails", "free: finished before, unchanged"]
    results = tmp_path / "results"
    assert "so far" in (results / "fails.partial.ipynb").read_text()
    assert '"error"' not in (results / "fails.ipynb").read_text()
    assert (results / "fails" / "table.csv").read_text() == "1\n"
    runs[0]["parameters"] = {"value": 0}
    assert main(["study", str(write(*runs))]) == 0
    assert not (results / "fails.partial.ipynb").exists()
    assert (results / "fails" / "table.csv").read_text() == "0\n"


def test_training_that_changed_starts_anew_and_one_that_was_stopped_goes_on(write, tmp_path):
    parameters = "run = 'x'  # name\nworkdir = ''  # folder\nfail = True  # at the end"
    code = """
from pathlib import Path
folder = Path(workdir) / "runs" / run
folder.mkdir(parents=True, exist_ok=True)
print(len(list(folder.iterdir())), "files")
(folder / f"{len(list(folder.iterdir()))}").touch()
class Interrupted(Exception): pass
if fail: raise Interrupted("later")
"""
    book = write_notebook(tmp_path / "train.ipynb", code, parameters=parameters)

    def files(fail, *options):
        path = write({"notebook": book, "name": "r", "parameters": {"fail": fail}})
        status = main(["study", str(path), *options])
        return status, len(list((tmp_path / "work" / "runs" / "r").iterdir()))

    assert files(True) == (75, 1)
    assert files(True) == (75, 2)  # goes on with what is there
    assert files(False) == (0, 1)  # a parameter changed
    assert len(list((tmp_path / "work" / "runs" / "r.old").iterdir())) == 2
    write_notebook(book, code, "'only the notebook changed'", parameters=parameters)
    assert files(False) == (0, 2)
    assert files(False, "--force") == (0, 1)


INTERRUPTED = """
import time
from bigearth.progress import Progress
with Progress("digging") as progress:
    progress.reach(1, 2, "hole")
    time.sleep(1)
    progress.reach(1, 2, "hole")
    raise KeyboardInterrupt
"""


def test_progress_is_told_and_an_interrupt_is_one_line(write, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(execute, "LOG_SECONDS", 0)
    digging = write_notebook(tmp_path / "digging.ipynb", INTERRUPTED)
    assert main(["study", str(write({"notebook": digging}))]) == execute.TO_BE_CONTINUED
    said = capsys.readouterr().out
    assert "digging: digging: 50 % |#####     | 1 of 2" in said
    assert "Interrupted: digging: stopped; run the cell again to go on" in said
    outputs = nbformat.read(tmp_path / "results/digging.partial.ipynb", 4).cells[-1].outputs
    assert outputs[-1].traceback == ["Interrupted: digging: stopped; run the cell again to go on"]


def test_the_notebook_on_disk_is_whole_and_grows_while_it_runs(write, tmp_path):
    slow = write_notebook(
        tmp_path / "slow.ipynb", "import time\nfor i in range(8):\n    print(i, flush=True); time.sleep(1)"
    )
    command = [sys.executable, "-m", "bigearth", "study", str(write({"notebook": slow}))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    seen = set()
    while process.poll() is None:
        path = tmp_path / "results" / "slow.partial.ipynb"
        if path.exists():
            outputs = nbformat.reads(path.read_text(), 4).cells[-1].outputs
            seen.add(outputs[-1].text if outputs else "")
        time.sleep(0.1)
    assert len(seen) >= 4


def test_a_full_disk_at_the_last_write_leaves_the_notebook_whole(write, table, tmp_path, monkeypatch):
    def write_half(notebook, path):
        path.write_text("{")
        raise OSError("disk full")

    monkeypatch.setattr(nbformat, "write", write_half)
    with suppress(OSError):
        main(["study", str(write({"notebook": table}))])
    assert nbformat.read(tmp_path / "results" / "table.partial.ipynb", 4).cells


def test_interrupting_leaves_neither_process_nor_half_a_result(write, tmp_path):
    up = tmp_path / "up"
    start = "import pathlib, time\nfrom bigearth.cluster import engines\ngroup = engines.start(2, 'mpi')"
    cells = start, f"pathlib.Path({str(up)!r}).touch()\ntime.sleep(60)"
    path = write({"notebook": write_notebook(tmp_path / "busy.ipynb", *cells)})
    command = [sys.executable, "-m", "bigearth", "study", str(path)]
    # a shell's background job, as these tests may be, passes on that SIGINT is ignored
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=heard)
    wait_until(up.exists, 90)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 4  # kernel, controller, mpiexec, engines
    process.send_signal(signal.SIGINT)
    assert "busy: interrupted" in process.communicate(timeout=60)[0]
    assert process.returncode == 130
    wait_until(lambda: not any(child.is_running() for child in children), 30)
    assert not (tmp_path / "results" / "busy.ipynb").exists()
    assert (tmp_path / "results" / "busy.partial.ipynb").exists()


def test_what_libraries_write_past_python_is_shown_nowhere(write, tmp_path, capfd):
    loud = write_notebook(tmp_path / "loud.ipynb", "import os\nos.write(2, b'noise')\nprint('heard')")
    path = write({"notebook": loud})
    loaded = definition.load(path)
    of_job = loaded.runs[0].job_log
    of_job.parent.mkdir(parents=True)
    of_job.write_text("epoch 1")
    assert main(["study", str(path)]) == 0
    assert of_job.read_text() == "epoch 1"  # a job's own log, which Slurm writes, is another file
    assert "noise" not in "".join(capfd.readouterr())
    outputs = nbformat.read(tmp_path / "results/loud.ipynb", as_version=4).cells[-1].outputs
    assert [output.text for output in outputs] == ["heard\n"]
    assert "noise" in (tmp_path / "work/studies/tiny/loud.kernel.log").read_text()


def test_the_same_study_twice_at_once_is_refused(write, table, capsys):
    loaded = definition.load(write({"notebook": table}))
    with loaded.runs[0].lock_study("study"):
        assert main(["study", str(loaded.path)]) == 2
    assert "another process" in capsys.readouterr().err


def test_an_unwritable_place_is_told(write, table, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["study", str(write({"notebook": table}, defaults={"workdir": str(tmp_path / "file")}))]) == 2
    assert main(["study", str(write({"notebook": table}, defaults={"results": str(tmp_path / "file")}))]) == 2
    errors = capsys.readouterr().err
    assert "workdir" in errors and "results" in errors


def test_dry_run_says_and_does_nothing(write, table, tmp_path, capsys):
    assert main(["study", str(write({"notebook": table})), "--dry-run"]) == 0
    assert "to do" in capsys.readouterr().out
    assert not (tmp_path / "results").exists() and not (tmp_path / "work").exists()


def test_a_dollar_in_a_value_arrives_as_it_is(write, tmp_path):
    book = write_notebook(tmp_path / "show.ipynb", "print(value)", parameters="value: str = ''  # any")
    assert main(["study", str(write({"notebook": book, "parameters": {"value": "a$$HOME"}}))]) == 0
    # the notebook's own door, which this small one has not, makes a single dollar of two
    executed = nbformat.read(tmp_path / "results" / "show.ipynb", as_version=4)
    assert executed.cells[-1].outputs[0].text == "a$$HOME\n"
