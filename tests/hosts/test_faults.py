"""Whatever is killed in the middle of a study on Slurm: nothing is lost or done twice, and nothing keeps running."""

import json
import os
import re
import signal

from tests.hosts.studies import START, same, training


def test_time_limit_is_survived(unbroken, study, slurm):
    """Told before the limit, the training stops at a step; the job is requeued and goes on after the last epoch."""
    tried = study(training(epochs=1000))
    job = tried.submit()["slow"]
    slurm.until(lambda: tried.trains("slow", 1), START)
    print(f"from the job's start to the first epoch's end: {slurm.seconds(job):.0f} s")
    slurm.run("scontrol", "update", f"JobId={job}", f"TimeLimit={int(slurm.seconds(job) + 90) // 60}")
    slurm.until(lambda: "to be continued" in tried.log("03_training-slow"), 180)
    slurm.run("scontrol", "update", f"JobId={job}", "TimeLimit=30")
    log = tried.log("03_training-slow")
    stopped = int(re.search(r"Interrupted: stopped .*in epoch (\d+)", log)[1])
    history = tried.history("slow")
    assert history.epoch.tolist() == list(range(1, stopped)) and same(
        history[: len(unbroken)], unbroken[: len(history)]
    )
    slurm.until(lambda: tried.trains("slow", stopped + 1), START)
    assert f"going on after epoch {stopped - 1}" in tried.log("03_training-slow")
    history = tried.history("slow")
    assert history.epoch.tolist() == list(range(1, len(history) + 1))
    slurm.run("scancel", job)
    slurm.wait(job, "CANCELLED")


def test_lost_node_is_survived(unbroken, study, slurm):
    tried = study(training())
    job = tried.submit()["slow"]
    slurm.until(lambda: tried.trains("slow", 2), START)
    slurm.kill_node("node2")
    slurm.until(lambda: slurm.state(job) == "PENDING", 90)
    assert 2 <= len(tried.history("slow")) < 12
    slurm.start_node("node2")
    slurm.wait(job, "COMPLETED", seconds=START)
    assert same(tried.history("slow"), unbroken)


def test_killed_worker_fails_the_run_and_is_named(unbroken, study, slurm):
    tried = study(training())
    job = tried.submit()["slow"]
    slurm.until(lambda: tried.trains("slow", 1), START)
    engines = [p for p in slurm.processes(SLURM_PROCID="1") if "ipyparallel.engine" in p.cmdline()]
    engines[0].send_signal(signal.SIGKILL)
    slurm.wait(job, "FAILED", seconds=120)
    assert "rank 1 of 2" in tried.log("03_training-slow")
    partial = tried.results / "03_training-slow.partial.ipynb"
    assert "rank 1 of 2" in partial.read_text()
    assert not slurm.leftovers()
    # a new submission takes up what is there
    tried.submit()
    slurm.until(lambda: not slurm.run("squeue", "-h", "-t", "PENDING,RUNNING"), START)
    assert same(tried.history("slow"), unbroken)


def test_cancelled_job_keeps_what_it_has(unbroken, study, slurm):
    tried = study(training())
    job = tried.submit()["slow"]
    slurm.until(lambda: tried.trains("slow", 2), START)
    partial = tried.results / "03_training-slow.partial.ipynb"
    slurm.until(lambda: "epoch 2/12" in partial.read_text(), 30)  # live: on disk while it runs
    slurm.run("scancel", job)
    slurm.wait(job, "CANCELLED")
    assert not slurm.leftovers()
    assert "epoch 1/12" in partial.read_text()
    job = tried.submit()["slow"]
    slurm.wait(job, "COMPLETED", seconds=START)
    assert same(tried.history("slow"), unbroken)
    assert not partial.exists() and (tried.results / "03_training-slow.ipynb").exists()


def test_what_needs_a_failed_run_is_not_left_waiting(study, slurm):
    tried = study(training(bands="ultraviolet"), {"notebook": "04_classification", "parameters": {"runs": ["slow"]},
                                                  "after": ["slow"]})  # fmt: skip
    code, printed = tried.run("--slurm", "mini", "--watch")
    assert code == 1
    assert "not finished: slow, 04_classification" in printed
    assert "InputError: bands is 'ultraviolet'" in tried.log("03_training-slow")
    assert not slurm.run("squeue", "-h", "-t", "PENDING,RUNNING")


def test_no_secret_in_logs_notebooks_or_open_files(study, slurm):
    tried = study(training())
    job = tried.submit()["slow"]
    slurm.until(lambda: tried.trains("slow", 1), START)
    engine = next(p for p in slurm.processes() if "ipyparallel.engine" in p.cmdline())
    key = json.loads(engine.environ()["IPP_CONNECTION_INFO"])["key"].encode()
    kernel = next(p for p in slurm.processes() if "ipykernel_launcher" in p.cmdline())
    connection = next(argument for argument in kernel.cmdline() if argument.endswith(".json"))
    assert os.stat(connection).st_mode & 0o077 == 0
    slurm.run("scancel", job)
    slurm.wait(job, "CANCELLED")
    files = [path for path in [*tried.folder.rglob("*"), *slurm.folder.rglob("*.log")] if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if key in path.read_bytes()]
