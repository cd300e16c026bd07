"""Submission, as far as it needs no Slurm: the scripts, their quoting, what sbatch is asked."""

import os
import shlex
import subprocess
import sys

import pytest
import yaml

from bigearth.__main__ import main
from bigearth.cluster import profiles
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study import submit
from bigearth.study.definition import load


def test_dry_run_prints_scripts_and_asks_nobody(hard_study, fake, capsys):
    assert main(["study", str(hard_study), "--slurm", "juwels", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    scripts = ["#!" + part for part in printed.split("#!")[1:]]
    assert len(scripts) == 3 and not (fake / "asked").exists() and not (hard_study.parent / "work").exists()
    for script in scripts:
        assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
        assert "@" not in script.replace("USR1@", "")
    options = [line.split(" ", 1)[1] for line in scripts[1].splitlines() if line.startswith("#SBATCH")]
    wanted = {"--gres=gpu:3", "--nodes=1", "--ntasks-per-node=3", "--mem=8G", "--partition=booster", "--requeue"}
    assert wanted <= set(options)
    assert "export NCCL_SOCKET_IFNAME=ib0" in scripts[1] and "module purge" in scripts[1]
    assert "--gres=gpu" not in scripts[0]
    log = next(option for option in options if "output" in option)
    assert log.startswith('"') and log.endswith('"') and "100%%" in log  # Slurm replaces %


def test_the_script_calls_the_run_and_requeues(hard_study, fake, tmp_path, capsys):
    """The script is executed by bash, with stand-ins for what it calls."""
    assert main(["study", str(hard_study), "--slurm", "mini", "--dry-run", "--run", "a"]) == 0
    script = capsys.readouterr().out
    shown = tmp_path / "shown"
    (tmp_path / "python").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{shown}\nexit $STATUS\n')
    (fake / "scontrol").write_text(f'#!/bin/sh\necho "$@" >>{shown}\n')
    for path in (tmp_path / "python", fake / "scontrol"):
        path.chmod(0o755)
    script = script.replace(shlex.quote(sys.executable), str(tmp_path / "python"))
    for status, restarts, requeued in ((0, 0, False), (1, 0, False), (75, 3, True), (75, 100, False)):
        environment = os.environ | {"STATUS": str(status), "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n"}
        environment["SLURM_RESTART_COUNT"] = str(restarts)
        done = subprocess.run(["bash"], input=script, text=True, env=environment, capture_output=True)
        assert done.returncode == status and not done.stderr
        arguments = ["-m", "bigearth", "study", str(hard_study), "--run", "a", "--job", "mini"]
        assert shown.read_text().splitlines() == arguments + ["requeue 7"] * requeued


def test_jobs_are_chained_and_what_is_there_is_not_submitted_again(hard_study, fake, capsys):
    assert main(["study", str(hard_study), "--slurm", "mini"]) == 0
    asked = [line.split(" ") for line in (fake / "asked").read_text().splitlines() if line.startswith("sbatch")]
    dependencies = [[word for word in line if word.startswith(("--dep", "--kill"))] for line in asked]
    kill = "--kill-on-invalid-dep=yes"
    assert dependencies == [[], ["--dependency=afterok:41", kill], ["--dependency=afterok:41:42", kill]]
    table = capsys.readouterr().out
    assert [line.split()[:2] for line in table.splitlines()[1:4]] == [["a", "41"], ["b", "42"], ["c", "43"]]

    (fake / "asked").unlink()
    lines = [f"41|COMPLETED|None|{ROOT}|hard:a", f"42|RUNNING|None|{ROOT}|hard:b", "43|PENDING|None|/else|hard:c"]
    (fake / "queue").write_text("\n".join([*lines, f"9|RUNNING|None|{ROOT}|other:c"]) + "\n")
    assert main(["study", str(hard_study), "--slurm", "mini", "--run", "b", "--run", "c"]) == 0
    assert "in the queue already" in capsys.readouterr().out
    asked = [line for line in (fake / "asked").read_text().splitlines() if line.startswith("sbatch")]
    assert len(asked) == 1 and "afterok:42 " in asked[0]  # 43 is another checkout's job


def test_a_refused_job_takes_the_others_back(hard_study, fake, capsys):
    (fake / "refuse").write_text("--run c")
    assert main(["study", str(hard_study), "--slurm", "mini"]) == 2
    assert "run c: sbatch: error: invalid partition specified: nowhere" in capsys.readouterr().err
    assert "scancel 41 42" in (fake / "asked").read_text()


def test_a_second_submission_at_the_same_time_is_told(hard_study, fake, capsys):
    with load(hard_study).runs[0].lock_study("submission"):
        assert main(["study", str(hard_study), "--slurm", "mini"]) == 2
    assert "another process" in capsys.readouterr().err


def test_workers_are_the_tasks_of_the_job(hard_study):
    placed = submit.place_runs(load(hard_study), profiles.load("mini")).runs
    assert [(run.parameters["workers"], run.parameters["launcher"]) for run in placed] == [
        (4, "srun:mini"),
        *[(3, "srun:mini")] * 2,
    ]


def test_no_slurm_and_unknown_sites(hard_study, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["study", str(hard_study), "--slurm", "mini"]) == 2
    assert main(["study", str(hard_study), "--slurm", "../mini"]) == 2
    assert main(["study", str(hard_study), "--watch"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "no Slurm here" in errors[0] and "unknown" in errors[1] and "--slurm" in errors[2]


def test_option_values_cannot_break_out():
    with pytest.raises(InputError):
        submit.quote_option("--chdir=a\nb")
    assert submit.quote_option("--chdir=/plain/path-1.0") == "--chdir=/plain/path-1.0"
    for value in ("o'neil", "run#2", "a b", "$HOME"):  # without a blank, too
        assert submit.quote_option(f"--chdir=/{value}") == f'"--chdir=/{value}"'
    assert submit.quote_option('--chdir=a"b\\c') == '"--chdir=a\\"b\\\\c"'


def test_jobs_know_nothing_of_the_allocation_they_are_submitted_from():
    here = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "12", "SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin"}
    assert submit.leave_allocation(here) == {"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin"}


def test_a_requeued_job_does_not_begin_anew(hard_study, fake, capsys):
    assert main(["study", str(hard_study), "--slurm", "juwels", "--dry-run", "--force", "--run", "a"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "--force" in line)
    for count, forced in ((None, True), ("0", True), ("1", False)):
        environment = {"PATH": os.environ["PATH"]} | ({"SLURM_RESTART_COUNT": count} if count else {})
        tail = line[line.index("$([") :]
        shown = subprocess.run(["bash", "-c", f"echo {tail}"], env=environment, capture_output=True, text=True).stdout
        assert ("--force" in shown) == forced


def test_a_printed_script_is_a_script(hard_study, fake, capsys):
    assert main(["study", str(hard_study), "--slurm", "juwels", "--dry-run", "--run", "b"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("#!/bin/bash\n") and "after a." in printed and "#   mkdir -p " in printed


def test_the_papers_runs_fit_a_node():
    site = profiles.load("juwels")
    for name in ("paper", "open_ends"):
        for run in load(ROOT / f"papermill_runs/{name}.yaml").runs:
            asked = dict(option.split("=", 1) for option in site.job_options(run.resources))
            tasks, cores = int(asked["--ntasks-per-node"]), int(asked.get("--cpus-per-task", 1))
            assert tasks * cores <= 48 and int(asked.get("--gres", "gpu:0").removeprefix("gpu:")) <= 4, run.name


def test_a_job_runs_in_the_sites_image_and_a_missing_image_stops_before_it(
    hard_study, fake, tmp_path, monkeypatch, capsys
):
    sites, image = tmp_path / "sites", tmp_path / "image of mine.sif"
    sites.mkdir()
    (sites / "boxed.yaml").write_text(yaml.safe_dump({"container": ["apptainer", "exec", "--nv", str(image)]}))
    monkeypatch.setattr(profiles, "FOLDER", sites)
    assert main(["study", str(hard_study), "--slurm", "boxed"]) == 2
    assert "which is not there: build it as slurm/container/README.md says" in capsys.readouterr().err
    assert not (fake / "asked").exists() or "sbatch" not in (fake / "asked").read_text()
    image.touch()
    assert main(["study", str(hard_study), "--slurm", "boxed", "--dry-run", "--run", "a"]) == 0
    script = capsys.readouterr().out
    assert f"apptainer exec --bind {ROOT} --nv '{image}' python -m bigearth study " in script
    assert main(["study", str(hard_study), "--slurm", "boxed", "--run", "a"]) == 0
