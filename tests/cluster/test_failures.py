"""Failures: the worker that failed is named, not the one that noticed it."""

from types import SimpleNamespace

import pytest
from ipyparallel.error import RemoteError

from bigearth.cluster import failures
from bigearth.errors import InputError


@pytest.mark.parametrize(
    ("log", "rank"),
    [
        ("srun: error: n2: task 37: Killed\nsrun: error: n1: tasks 0-35: Terminated", "37"),
        ("srun: error: n1: task 3: Exited with exit code 1\nsrun: error: n2: task 37: Out Of Memory", "37"),
        ("mpiexec noticed that process rank 5 with PID 0 on node x exited on signal 9 (Killed).", "5"),
        ("Process name: 2\nExit code: 137", "2"),
        ("words", None),
    ],
)
def test_the_rank_that_was_killed(log, rank):
    assert failures.find_dead_rank(log) == rank


class Call:
    """A call on a worker that noticed that another one is gone."""

    def ready(self):
        return True

    def successful(self):
        return False

    def exception(self):
        return RemoteError("Stalled", "a worker kept the others waiting", "")


class Launcher:
    """A launcher that tells its end only when it is asked for the third time."""

    asked = 0

    def poll(self):
        self.asked += 1
        return 137 if self.asked > 2 else None


def test_the_worker_that_noticed_is_not_blamed(monkeypatch, tmp_path):
    """An error comes on the other ranks, before the launcher's word, which may be far up in its log."""
    log = tmp_path / "log.txt"
    log.write_text("srun: error: n2: task 37: Killed\n" + "other words\n" * 30)
    with pytest.raises(failures.WorkerError, match="^rank 37 of 40: the process ended"):
        failures.raise_first_failure([Call(), Call()], Launcher(), log, size=40)
    monkeypatch.setattr(failures, "ECHO_SECONDS", 0)
    with pytest.raises(failures.WorkerError, match="^rank 0 of 40: a worker kept the others waiting$"):
        failures.raise_first_failure([Call(), Call()], Launcher(), log, size=40)


def test_an_import_of_another_installation_is_named(tmp_path, monkeypatch):
    assert failures.find_hint("ImportError") == ""
    (tmp_path / "h5py").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert failures.find_hint("ImportError").startswith(f" (PYTHONPATH puts {tmp_path}/h5py before")
    assert failures.find_hint("ValueError") == ""


def test_a_job_that_never_starts_is_refused(monkeypatch):
    answer = SimpleNamespace(stdout="PartitionNodeLimit\n")
    monkeypatch.setattr(failures.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(InputError, match="will never start .*PartitionNodeLimit"):
        failures.check_queued_job("7")


def test_the_log_is_read_without_the_engines_words(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("one\n[IPEngine] words\n-----\n\ntwo\n")
    assert failures.read_log(log) == "one\ntwo" and failures.read_log(log, 1) == "two"
