"""The driver: what it refuses before anything runs, what it executes, skips, keeps and stops."""

import json
import signal
import subprocess
import sys
import time
from functools import partial

import nbformat
import psutil
import pytest
import yaml

from bigearth.__main__ import main
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study import definition, execute, submit
from bigearth.study import run as run_state

WRITE = """
from pathlib import Path
folder = Path(results) / stem
folder.mkdir(parents=True, exist_ok=True)
(folder / "table.csv").write_text(f"{value}\\n")
"""


@pytest.fixture(autouse=True)
def site(monkeypatch):
    """Rendering pages is another module's job."""
    monkeypatch.setattr(execute, "render", lambda results: None)


def notebook(path, *cells, parameters="value = 1  # any"):
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
    return notebook(tmp_path / "table.ipynb", WRITE, parameters=cells)


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
        ({"resources": {"time": 36000}}, "time is 36000, not of type str; write it in quotes"),
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
    book = notebook(tmp_path / "train.ipynb", parameters=parameters)
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
    assert loaded.runs[4].after == tuple(names) and loaded.runs[4].parameters["runs"] == [*names, "other"]
    assert loaded.runs[2].stem == "train-a-n4-s1" and loaded.runs[2].parameters["workers"] == 2


def test_a_study_runs_once_and_again_when_something_changes(write, table, tmp_path, capsys):
    child = notebook(tmp_path / "child.ipynb", "import sys; print(sys.executable)")
    archive = tmp_path / "archive.csv"
    archive.write_text("1")
    reader = notebook(tmp_path / "reader.ipynb", parameters="archive = ''  # file")
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
    notebook(child, "1 + 1")
    assert call("--run", "child") == (0, [fresh[1]])
    assert call("--force", "--run", "reader") == (0, [fresh[2]])
    assert call() == (0, kept)


def test_what_a_run_depends_on(write, tmp_path):
    """The cube and the predictions it reads, the parameters of what came before; not the code that drew figures."""
    parent = notebook(tmp_path / "parent.ipynb", "'draws'", parameters="archive = ''  # folder\ncube = ''  # file")
    child = notebook(tmp_path / "child.ipynb", parameters="cube = ''  # file\nruns = []  # names")
    cube, predictions = tmp_path / "cube.h5", tmp_path / "work" / "runs" / "rgb" / "predictions.h5"
    predictions.parent.mkdir(parents=True)
    before = set()

    def is_new(**parameters):
        runs = [{"notebook": parent, "parameters": parameters}]
        runs += [{"notebook": child, "after": ["parent"], "parameters": {"runs": ["rgb"]}}]
        loaded = definition.load(write(*runs, defaults={"cube": str(cube)}))
        marks = [run_state.fingerprint(loaded, run)["all"] for run in loaded.runs]
        new = [mark not in before for mark in marks]
        before.update(marks)
        return new

    assert is_new() == [True, True]
    cube.touch()
    assert is_new() == [False, True]  # the parent writes it, the child reads it
    predictions.touch()
    assert is_new() == [False, True]
    assert is_new(archive="other") == [True, True]
    notebook(parent, "'draws better'", parameters="archive = ''  # folder\ncube = ''  # file")
    assert is_new(archive="other") == [True, False]


def test_a_failure_stops_what_depends_on_it_and_keeps_what_was_there(write, table, tmp_path, capsys):
    cells = WRITE, "print('so far')", "if value > 1:\n    raise ValueError('too much\\nof it')"
    parameters = "value = 1  # any\nresults = ''  # folder\nstem = 'fails'  # its folder"
    fails = notebook(tmp_path / "fails.ipynb", *cells, parameters=parameters)
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
    book = notebook(tmp_path / "train.ipynb", code, parameters=parameters)

    def files(fail, *options):
        path = write({"notebook": book, "name": "r", "parameters": {"fail": fail}})
        status = main(["study", str(path), *options])
        return status, len(list((tmp_path / "work" / "runs" / "r").iterdir()))

    assert files(True) == (75, 1)
    assert files(True) == (75, 2)  # goes on with what is there
    assert files(False) == (0, 1)  # a parameter changed
    assert len(list((tmp_path / "work" / "runs" / "r.old").iterdir())) == 2
    notebook(book, code, "'only the notebook changed'", parameters=parameters)
    assert files(False) == (0, 2)
    assert files(False, "--force") == (0, 1)


def test_the_notebook_on_disk_is_whole_and_grows_while_it_runs(write, tmp_path):
    slow = notebook(tmp_path / "slow.ipynb", "import time\nfor i in range(8):\n    print(i, flush=True); time.sleep(1)")
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


def test_interrupting_leaves_neither_process_nor_half_a_result(write, tmp_path):
    up = tmp_path / "up"
    start = "import pathlib, time\nfrom bigearth import engines\ngroup = engines.start(2, 'mpi')"
    cells = start, f"pathlib.Path({str(up)!r}).touch()\ntime.sleep(60)"
    path = write({"notebook": notebook(tmp_path / "busy.ipynb", *cells)})
    command = [sys.executable, "-m", "bigearth", "study", str(path)]
    # a shell's background job, as these tests may be, passes on that SIGINT is ignored
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=heard)
    _until(up.exists, 90)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 4  # kernel, controller, mpiexec, engines
    process.send_signal(signal.SIGINT)
    assert "busy: interrupted" in process.communicate(timeout=60)[0]
    assert process.returncode == 130
    _until(lambda: not any(child.is_running() for child in children), 30)
    assert not (tmp_path / "results" / "busy.ipynb").exists()
    assert (tmp_path / "results" / "busy.partial.ipynb").exists()


def test_what_libraries_write_past_python_is_shown_nowhere(write, tmp_path, capfd):
    loud = notebook(tmp_path / "loud.ipynb", "import os\nos.write(2, b'noise')\nprint('heard')")
    path = write({"notebook": loud})
    loaded = definition.load(path)
    of_job = submit._log(loaded, loaded.runs[0])
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
    with run_state.locked(loaded, loaded.runs[0], "study"):
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


def _until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
