"""Progress as a notebook, a terminal, a log file and a worker show it."""

import io
import sys
from types import SimpleNamespace

import pytest

from bigearth import progress
from bigearth.errors import Interrupted
from bigearth.progress import Note, Progress, read_note


@pytest.fixture
def clock(monkeypatch):
    """The time that progress sees; a test moves it by ``clock.now``."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def place(monkeypatch):
    """Put the process at a place: "terminal", "log", "notebook" or "nowhere"; returns what is written there."""

    def put(name):
        written = io.StringIO()
        monkeypatch.setattr(progress, "_find_place", lambda: name)
        monkeypatch.setattr(sys, "stderr", written)
        return written

    return put


@pytest.fixture
def outputs(monkeypatch, place):
    """The lines of a notebook's output, in the order in which they replaced each other."""
    lines = []

    def show(data, **_):
        lines.append(data["text/plain"])
        return SimpleNamespace(update=show)

    place("notebook")
    monkeypatch.setattr("IPython.display.display", show)
    return lines


def test_a_terminal_has_one_line_that_is_redrawn(clock, place):
    written = place("terminal")
    with Progress("reading pixels", 4, "patch") as shown:
        for _ in range(4):
            clock.now += 1
            shown.update()
    lines = written.getvalue().split("\r\x1b[K")
    assert lines[1].startswith("reading pixels: 25 % |##") and "1 of 4,  1.00 patch/s" in lines[1]
    assert lines[-1] == "reading pixels: 4 patches in 00:04\n" and written.getvalue().count("\n") == 1


def test_work_that_is_done_at_once_shows_nothing(clock, place):
    for name in ("terminal", "log"):
        written = place(name)
        with Progress("reading pixels", 1000, "patch") as shown:
            for _ in range(1000):
                clock.now += 0.0001
                shown.update()
        assert written.getvalue() == ""


def test_a_log_has_a_line_every_half_minute(clock, place):
    written = place("log")
    with Progress("training") as shown:
        for step in range(800):
            clock.now += 0.125
            shown.reach(step + 1, 800, "step", note=f"epoch {1 + step // 100} of 8")
    assert [line.partition("|")[0] for line in written.getvalue().splitlines()] == [
        "training: 30 % ",
        "training: 60 % ",
        "training: 90 % ",
        "training: 800 steps in 01:40",
    ]


def test_a_notebook_shows_at_once_that_work_has_begun(clock, outputs):
    shown = Progress("starting 2 workers")
    assert outputs == ["starting 2 workers: 00:00"]
    clock.now += 3
    shown.say("1 have come")
    shown.say("1 have come")
    shown.finish("2 workers started")
    assert outputs[1:] == ["starting 2 workers: 00:03, 1 have come", "2 workers started in 00:03"]


def test_what_was_there_before_is_no_speed(clock, outputs):
    shown = Progress("writing cube.h5")
    clock.now += 5
    shown.reach(500, 1000, "patch")
    clock.now += 10
    shown.reach(600)
    assert "600 of 1000, 10.00 patch/s, 00:40 left" in outputs[-1]
    shown.reach(1, 100, "strip")
    clock.now += 1
    shown.reach(3)
    assert " 2.00 strip/s" in outputs[-1]


def test_an_interrupt_of_a_notebook_is_one_line(outputs):
    with pytest.raises(Interrupted, match="^measuring: stopped; run the cell again to go on$"), Progress("measuring"):
        raise KeyboardInterrupt


def test_an_interrupt_of_a_program_stays_one(place):
    written = place("terminal")
    with pytest.raises(KeyboardInterrupt), Progress("measuring"):
        raise KeyboardInterrupt
    assert written.getvalue().endswith("\n")


def test_a_worker_is_silent(place):
    written = place("nowhere")
    with Progress("reading pixels") as shown:
        shown.reach(1, 2)
    assert written.getvalue() == ""


def test_the_place_of_this_process_is_found(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert Progress("a")._place == "log"
    kernels = {"ipykernel.ipkernel": "notebook", "ipyparallel.engine.kernel": "nowhere"}
    for module, found in kernels.items():
        kernel = type("Kernel", (), {"__module__": module})()
        monkeypatch.setattr("IPython.get_ipython", lambda kernel=kernel: SimpleNamespace(kernel=kernel))
        assert progress._find_place() == found


def test_notes_of_a_worker(clock, tmp_path):
    path = tmp_path / "note.json"
    note = Note(path)
    note.write("the first step is compiled")
    assert read_note(path) == {"stage": "the first step is compiled", "done": 0, "total": 0}
    note.write("epoch 1 of 2", 1, 10)  # the same second
    assert read_note(path)["done"] == 0
    clock.now += 2
    note.write("epoch 1 of 2", 4, 10)
    assert read_note(path)["done"] == 4
    path.write_text('{"stage": "cut in ha')
    assert read_note(path) is None
    note.remove()
    assert read_note(path) is None and not path.exists()
    Note().write("nothing is noted")
