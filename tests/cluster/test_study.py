"""A study on a real Slurm: the same results as here, whatever is killed, and clear words where it cannot run."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

from bigearth.paths import ROOT

NETWORK = {"width": 8, "blocks": [1, 1, 1, 1], "warmup": 1, "milestones": [1.0], "deterministic": True}
START = 500  # s that a job may take to train: a tenth of that on an idle machine


class Study:
    """A study in a folder of its own: ``run(...)`` calls the command on it."""

    def __init__(self, folder, slurm, archive, cube, runs, site="mini"):
        self.folder, self.slurm, self.site = folder, slurm, site
        self.path, self.results, self.work = folder / "tried.yaml", folder / "results", folder / "work"
        defaults = {"workdir": str(self.work), "results": str(self.results), "cube": str(cube), "workers": 4}
        defaults["classify"] = str(archive)
        folder.mkdir(exist_ok=True)
        self.path.write_text(yaml.safe_dump({"study": "tried", "defaults": defaults, "runs": runs}))

    def command(self, *options):
        return [sys.executable, "-m", "bigearth", "study", str(self.path), *options]

    def run(self, *options, timeout=900, env=None):
        """The command's return code and all it printed."""
        done = self.slurm.run(*self.command(*options), check=False, timeout=timeout, cwd=ROOT, env=env or {})
        return done.returncode, done.stdout + done.stderr

    def submit(self, *options):
        """Submit; returns {run: job id}."""
        code, printed = self.run("--slurm", self.site, *options)
        assert code == 0, printed
        return dict(re.findall(r"^(\S+) +(\d+)  ", printed, re.M))

    def log(self, stem):
        return next(self.work.glob(f"studies/*/{stem}.log")).read_text()

    def history(self, run):
        path = self.work / "runs" / run / "history.csv"
        return pd.read_csv(path) if path.exists() else pd.DataFrame({"epoch": []})

    def trains(self, run, epochs):
        """Whether that many epochs are done; for `MiniSlurm.until`."""
        return len(self.history(run)) >= epochs


def training(name="slow", nodes=2, tasks=1, time="00:10:00", epochs=12, **parameters):
    return {
        "notebook": "03_training",
        "name": name,
        "parameters": {**NETWORK, "epochs": epochs, "batch_size": 2, **parameters},
        "resources": {"nodes": nodes, "tasks_per_node": tasks, "time": time},
    }


@pytest.fixture
def study(tmp_path, slurm, tiny_archive, tiny_cube):
    """Make a study of these runs in ``tmp_path``."""
    return lambda *runs, name="tried", **options: Study(
        tmp_path / name, slurm, tiny_archive, tiny_cube, list(runs), **options
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, tiny_archive, tiny_cube):
    """History of the training `slow`, on two local workers without a break."""
    folder = tmp_path_factory.mktemp("unbroken")
    here = Study(folder, None, tiny_archive, tiny_cube, [training(workers=2, launcher="mpi")])
    done = subprocess.run(here.command(), cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return here.history("slow")


def same(history, other):
    """Whether two histories tell of the same training (all but the times)."""
    columns = ["epoch", "learning_rate", "loss", "val_loss", "val_f1"]
    return len(history) == len(other) and np.allclose(history[columns], other[columns], rtol=1e-4, atol=1e-5)


# ---- the same results ----


def test_slurm_equals_local(study, slurm, tiny_archive):
    """Two nodes with two ranks each against four local workers: weights after five steps, and the tables."""
    runs = [
        {"notebook": "02_preprocessing", "parameters": {"archive": str(tiny_archive)},
         "resources": {"nodes": 2, "tasks_per_node": 2}},
        {**training("five", tasks=2, epochs=5, batch_size=5), "after": ["02_preprocessing"]},
        {"notebook": "04_classification", "parameters": {"runs": ["five"]}, "after": ["five"],
         "resources": {"nodes": 1, "tasks_per_node": 1}},
    ]  # fmt: skip
    local, cluster = study(*runs, name="local"), study(*runs, name="cluster")
    for each in (local, cluster):  # each its own cube
        text = yaml.safe_load(each.path.read_text())
        text["defaults"]["cube"] = str(each.work / "cube.h5")
        each.path.write_text(yaml.safe_dump(text))
    code, printed = local.run()
    assert code == 0, printed
    code, printed = cluster.run("--slurm", "mini", "--watch")
    assert code == 0, printed
    assert "epoch 5/5" in cluster.log("03_training-five") and "RUNNING" in printed

    import keras  # late: it brings TensorFlow

    here, there = (keras.models.load_model(s.work / "runs/five/model.keras", compile=False) for s in (local, cluster))
    assert local.history("five").images.tolist() == [4 * 5] * 5  # five steps
    for mine, theirs in zip(here.get_weights(), there.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    tables = sorted(path.relative_to(local.results) for path in local.results.glob("04*/*.csv"))
    assert tables
    for table in tables:
        mine, theirs = pd.read_csv(local.results / table), pd.read_csv(cluster.results / table)
        pd.testing.assert_frame_equal(mine, theirs, atol=0.02)

    code, printed = cluster.run("--slurm", "mini", "--watch")
    assert code == 0 and printed.count("finished before, unchanged") == 3


# ---- faults ----


def test_time_limit_is_survived(study, slurm, unbroken):
    """Told before the limit, the training stops at a step; the job is requeued and goes on after the last epoch."""
    tried = study(training(epochs=1000))
    job = tried.submit()["slow"]
    slurm.until(lambda: tried.trains("slow", 1), START)
    print(f"from the job's start to the first epoch's end: {slurm.seconds(job):.0f} s")
    slurm.run("scontrol", "update", f"JobId={job}", f"TimeLimit={int(slurm.seconds(job) + 90) // 60}")
    slurm.until(lambda: "to be continued" in tried.log("03_training-slow"), 180)
    slurm.run("scontrol", "update", f"JobId={job}", "TimeLimit=30")
    log = tried.log("03_training-slow")
    stopped = int(re.search(r"Interrupted: stopped in epoch (\d+)", log)[1])
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


def test_lost_node_is_survived(study, slurm, unbroken):
    tried = study(training())
    job = tried.submit()["slow"]
    slurm.until(lambda: tried.trains("slow", 2), START)
    slurm.kill_node("node2")
    slurm.until(lambda: slurm.state(job) == "PENDING", 90)
    assert 2 <= len(tried.history("slow")) < 12
    slurm.start_node("node2")
    slurm.wait(job, "COMPLETED", seconds=START)
    assert same(tried.history("slow"), unbroken)


def test_killed_worker_fails_the_run_and_is_named(study, slurm, unbroken):
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


def test_cancelled_job_keeps_what_it_has(study, slurm, unbroken):
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
    assert "InputError: bands = 'ultraviolet'" in tried.log("03_training-slow")
    assert not slurm.run("squeue", "-h", "-t", "PENDING,RUNNING")


# ---- secrets ----


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


# ---- what cannot run ----


def test_two_submissions_at_once(study, slurm):
    """While one is being submitted the other is told so; afterwards it finds the jobs in the queue."""
    tried = study(training())
    code = "import sys, time; from bigearth import execution, study; s = study.load(sys.argv[1])\n"
    code += "with execution.locked(s, s.runs[0], 'submission'): print('locked', flush=True); time.sleep(60)"
    with psutil.Popen([sys.executable, "-c", code, str(tried.path)], stdout=subprocess.PIPE, cwd=ROOT) as holder:
        holder.stdout.readline()
        refused, printed = tried.run("--slurm", "mini")
        holder.kill()
    assert refused == 2 and "being executed or submitted by another process" in printed
    first = tried.submit()
    assert tried.submit() == first  # "in the queue already"
    slurm.run("scancel", *first.values())


@pytest.mark.parametrize(
    "site, resources, message",
    [
        ("atlantis", {}, "site 'atlantis' is unknown"),
        ("juwels", {}, "invalid partition specified: booster"),  # the scheduler's words
        ("mini", {"nodes": 1, "gpus_per_task": 8}, "configuration is not available"),
    ],
)
def test_what_the_site_does_not_have(study, slurm, site, resources, message):
    run = training()
    run["resources"] |= resources
    code, printed = study(run).run("--slurm", site)
    assert code == 2 and re.search(message, printed), printed
    assert not slurm.run("squeue", "-h", "-t", "PENDING,RUNNING")


@pytest.mark.parametrize("resources", [{"time": "99:00:00"}, {"nodes": 64}])
def test_more_than_the_partition_gives(study, slurm, resources):
    """Slurm accepts such a job and lets it wait for ever: whoever watches is told, and the job is withdrawn."""
    run = training()
    run["resources"] |= resources
    code, printed = study(run).run("--slurm", "mini", "--watch", timeout=120)
    assert code == 1 and re.search(r"Partition\w+: asks for more than the partition gives; cancelled", printed), printed


def test_no_slurm_here(study, tmp_path):
    code, printed = study(training()).run("--slurm", "mini", env={"PATH": str(tmp_path)})
    assert code == 2 and "sbatch was not found" in printed


def test_results_that_cannot_be_written(study, slurm, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    tried = study(training())
    text = yaml.safe_load(tried.path.read_text())
    text["defaults"]["results"] = str(tmp_path / "file/results")
    tried.path.write_text(yaml.safe_dump(text))
    code, printed = tried.run("--slurm", "mini", "--watch")
    assert code in (1, 2)
    assert "cannot be written" in printed or "cannot be written" in tried.log("03_training-slow")


def test_an_environment_without_horovod_is_told(study, slurm, tmp_path, monkeypatch):
    """A package of that name that cannot be imported stands before the real one, on every node."""
    (tmp_path / "horovod").mkdir()
    (tmp_path / "horovod/__init__.py").write_text("raise ImportError('No module named horovod')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tried = study(training())
    code, printed = tried.run("--slurm", "mini", "--watch")
    assert code == 1
    assert re.search(r"rank \d of 2: .*horovod", tried.log("03_training-slow"), re.S)


@pytest.mark.parametrize("name", ["a; rm -rf $HOME", "$(touch owned)", "a\nb", "../../etc"])
def test_names_are_no_commands(study, name):
    code, printed = study(training(name=name)).run("--slurm", "mini")
    assert code == 2 and "cannot be a name" in printed


def test_paths_are_no_commands(study, slurm, tmp_path):
    """A folder with blanks, quotes and a dollar sign is a folder, in the script and in the job."""
    tried = study(training(bands="ultraviolet"), name="it's $HOME; touch owned")
    code, printed = tried.run("--slurm", "mini", "--watch")
    assert code == 1 and "InputError: bands = 'ultraviolet'" in tried.log("03_training-slow"), printed
    assert not list(tmp_path.rglob("owned")) and not (ROOT / "owned").exists()
