"""A study on a real Slurm: the same results as here, and clear words where it cannot run."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

from bigearth.files import ROOT
from tests.hosts.studies import training


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
    assert code == 0 and printed.count("finished before, unchanged") == 3, printed


# ---- what cannot run ----


def test_two_submissions_at_once(study, slurm):
    """While one is being submitted the other is told so; afterwards it finds the jobs in the queue."""
    tried = study(training())
    code = "import sys, time; from bigearth.study import definition; s = definition.load(sys.argv[1])\n"
    code += "with s.runs[0].lock_study('submission'): print('locked', flush=True); time.sleep(60)"
    with psutil.Popen([sys.executable, "-c", code, str(tried.path)], stdout=subprocess.PIPE, cwd=ROOT) as holder:
        holder.stdout.readline()
        refused, printed = tried.run("--slurm", "mini")
        holder.kill()
    assert refused == 2 and "in use by another process" in printed
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
    """Slurm accepts such a job and lets it wait for ever: --watch says so, and the job is cancelled."""
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


def test_an_environment_without_horovod_trains_and_says_so(study, slurm, tmp_path, monkeypatch):
    """A package of that name that cannot be imported stands before the real one, on every node."""
    (tmp_path / "horovod").mkdir()
    (tmp_path / "horovod/__init__.py").write_text("raise ImportError('No module named horovod')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tried = study(training())
    code, printed = tried.run("--slurm", "mini", "--watch")
    assert code == 0, printed
    assert "warning: Horovod cannot be imported: the workers exchange gradients" in tried.log("03_training-slow")


@pytest.mark.parametrize("name", ["a; rm -rf $HOME", "$(touch owned)", "a\nb", "../../etc"])
def test_names_are_no_commands(study, name):
    code, printed = study(training(name=name)).run("--slurm", "mini")
    assert code == 2 and ("cannot be a name" in printed or "cannot be printed" in printed)


def test_paths_are_no_commands(study, slurm, tmp_path):
    """A folder with blanks, quotes and a dollar sign is a folder, in the script and in the job."""
    tried = study(training(bands="ultraviolet"), name="it's $HOME; touch owned")
    code, printed = tried.run("--slurm", "mini", "--watch")
    assert code == 1 and "InputError: bands is 'ultraviolet'" in tried.log("03_training-slow"), printed
    assert not list(tmp_path.rglob("owned")) and not (ROOT / "owned").exists()
