"""Following jobs: their states, their progress, and what ends the watch."""

import pytest

from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study import execute, watch
from bigearth.study.definition import load


@pytest.fixture
def study(hard_study, monkeypatch):
    """The hard study; nothing is rendered, and the watch does not sleep."""
    monkeypatch.setattr(execute, "render", lambda results: None)
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: None)
    return load(hard_study)


def answer_with(monkeypatch, *answers):
    """Slurm gives these answers, one after the other."""
    left = iter(answers)

    def read_jobs(study):
        answer = next(left)
        if isinstance(answer, InputError):
            raise answer
        return answer

    monkeypatch.setattr(watch, "read_jobs", read_jobs)


def test_one_busy_moment_of_the_scheduler_does_not_end_the_watch(study, monkeypatch, capsys):
    answer_with(monkeypatch, InputError("squeue: Socket timed out"), {}, {})
    assert watch.watch(study, study.runs[:1]) == 1
    assert "Socket timed out; asking again" in capsys.readouterr().out


def test_a_requeued_job_does_not_end_the_watch_and_progress_is_shown(study, monkeypatch, capsys):
    run = study.runs[0]
    run.state_folder.mkdir(parents=True)
    run.job_log.write_text("epoch 1/5\nepoch 2/5\n\n")
    running = {"a": watch.Job("41", "RUNNING", "None")}
    answer_with(monkeypatch, running, {}, running, {}, {})
    assert watch.watch(study, [run]) == 1
    printed = capsys.readouterr().out
    assert printed.count("RUNNING  epoch 2/5") == 2 and f"not finished: a; logs: {run.state_folder}" in printed


def test_a_job_that_can_never_start_is_cancelled(study, fake, monkeypatch, capsys):
    monkeypatch.setattr(watch, "STUCK_SECONDS", -1)
    answer_with(monkeypatch, {"a": watch.Job("41", "PENDING", "PartitionTimeLimit")}, {}, {})
    watch.watch(study, study.runs[:1])
    assert "asks for more than the partition gives; cancelled" in capsys.readouterr().out
    assert "scancel 41" in (fake / "asked").read_text()


def test_a_run_that_a_job_finished_meanwhile_counts_as_finished(study, monkeypatch, capsys):
    run = study.runs[0]
    assert not run.finished()
    other = study.renew().runs[0]
    other.write_state(finished=True, outputs=[])
    answer_with(monkeypatch, {}, {})
    assert watch.watch(study, [run]) == 0


def test_the_newest_job_of_each_run_of_this_checkout_counts(fake):
    lines = [f"9|COMPLETED|None|{ROOT}|hard:a", f"10|RUNNING|None|{ROOT}|hard:a", "11|RUNNING|None|/else|hard:a"]
    (fake / "queue").write_text("\n".join([*lines, f"12|RUNNING|None|{ROOT}|other:b"]) + "\n")
    jobs = watch.read_jobs("hard")
    assert jobs == {"a": watch.Job("10", "RUNNING", "None")} and jobs["a"].is_active


def test_stuck_jobs_are_told_after_submission(study, fake, capsys):
    (fake / "queue").write_text(f"41|PENDING|PartitionTimeLimit|{ROOT}|hard:a\n42|PENDING|Priority|{ROOT}|hard:b\n")
    assert watch.warn_of_stuck_jobs(study, {"a": "41", "b": "42"}) == 1
    printed = capsys.readouterr().out
    assert "`scancel 41`" in printed and "42" not in printed
    assert watch.warn_of_stuck_jobs(study, {"b": "42"}) == 0
    assert watch.warn_of_stuck_jobs(study, {}) == 0
