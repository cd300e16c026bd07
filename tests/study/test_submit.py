"""Submission, as far as it needs no Slurm: the scripts, their quoting, what sbatch is asked."""

import os
import shlex
import subprocess
import sys

import nbformat
import pytest
import yaml

from bigearth.__main__ import main
from bigearth.cluster import profiles
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study import submit
from bigearth.study.definition import load

PARAMETERS = "workers = 1  # ranks\nlauncher = 'mpi'  # starts them\nrun = 'x'  # name"

# stands in for Slurm: writes down what it is asked, numbers the jobs, refuses those named in REFUSE
FAKE = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >>"$FAKE/asked"
case $name in
  sbatch) for script; do :; done
          if [ -e "$FAKE/refuse" ] && grep -q -e "$(cat "$FAKE/refuse")" "$script"; then
            echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1; fi
          number=$(($(cat "$FAKE/number") + 1)); echo $number >"$FAKE/number"; echo "$number;mini" ;;
  squeue) cat "$FAKE/queue" ;;
esac
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A folder with the stand-in's files: ``asked``, ``queue``, ``refuse``."""
    folder = tmp_path / "fake"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel"):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    (folder / "number").write_text("40")
    (folder / "queue").write_text("")
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def study(tmp_path):
    """A study of three runs in a folder whose name is hard to quote."""
    folder = tmp_path / "it's 100% $HOME"
    folder.mkdir()
    cell = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), folder / "train.ipynb")
    train = str(folder / "train.ipynb")
    runs = [
        {"notebook": train, "name": "a", "resources": {"nodes": 2, "tasks_per_node": 2, "time": "01:00:00"}},
        {"notebook": train, "name": "b", "after": ["a"], "resources": {"gpus_per_task": 1, "memory": "8G"}},
        {"notebook": train, "name": "c", "after": ["a", "b"]},
    ]
    defaults = {"workdir": str(folder / "work"), "results": str(folder / "results"), "workers": 3}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({"study": "hard", "defaults": defaults, "runs": runs}))
    return path


def test_dry_run_prints_scripts_and_asks_nobody(study, fake, capsys):
    assert main(["study", str(study), "--slurm", "juwels", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    scripts = ["#!" + part for part in printed.split("#!")[1:]]
    assert len(scripts) == 3 and not (fake / "asked").exists() and not (study.parent / "work").exists()
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


def test_the_script_calls_the_run_and_requeues(study, fake, tmp_path, capsys):
    """The script is executed by bash, with stand-ins for what it calls."""
    assert main(["study", str(study), "--slurm", "mini", "--dry-run", "--run", "a"]) == 0
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
        arguments = ["-m", "bigearth", "study", str(study), "--run", "a", "--job", "mini"]
        assert shown.read_text().splitlines() == arguments + ["requeue 7"] * requeued


def test_jobs_are_chained_and_what_is_there_is_not_submitted_again(study, fake, capsys):
    assert main(["study", str(study), "--slurm", "mini"]) == 0
    asked = [line.split(" ") for line in (fake / "asked").read_text().splitlines() if line.startswith("sbatch")]
    dependencies = [[word for word in line if word.startswith(("--dep", "--kill"))] for line in asked]
    kill = "--kill-on-invalid-dep=yes"
    assert dependencies == [[], ["--dependency=afterok:41", kill], ["--dependency=afterok:41:42", kill]]
    table = capsys.readouterr().out
    assert [line.split()[:2] for line in table.splitlines()[1:4]] == [["a", "41"], ["b", "42"], ["c", "43"]]

    (fake / "asked").unlink()
    lines = [f"41|COMPLETED|None|{ROOT}|hard:a", f"42|RUNNING|None|{ROOT}|hard:b", "43|PENDING|None|/else|hard:c"]
    (fake / "queue").write_text("\n".join([*lines, f"9|RUNNING|None|{ROOT}|other:c"]) + "\n")
    assert main(["study", str(study), "--slurm", "mini", "--run", "b", "--run", "c"]) == 0
    assert "in the queue already" in capsys.readouterr().out
    asked = [line for line in (fake / "asked").read_text().splitlines() if line.startswith("sbatch")]
    assert len(asked) == 1 and "afterok:42 " in asked[0]  # 43 is another checkout's job


def test_a_refused_job_takes_the_others_back(study, fake, capsys):
    (fake / "refuse").write_text("--run c")
    assert main(["study", str(study), "--slurm", "mini"]) == 2
    assert "run c: sbatch: error: invalid partition specified: nowhere" in capsys.readouterr().err
    assert "scancel 41 42" in (fake / "asked").read_text()


def test_a_second_submission_at_the_same_time_is_told(study, fake, capsys):
    from bigearth.study import run as run_state
    from bigearth.study.definition import load

    loaded = load(study)
    with run_state.locked(loaded, loaded.runs[0], "submission"):
        assert main(["study", str(study), "--slurm", "mini"]) == 2
    assert "another process" in capsys.readouterr().err


def test_workers_are_the_tasks_of_the_job(study):
    from bigearth.study.definition import load

    placed = [submit.placed(run, profiles.load("mini")) for run in load(study).runs]
    assert [(run.parameters["workers"], run.parameters["launcher"]) for run in placed] == [
        (4, "srun"),
        *[(3, "srun")] * 2,
    ]


def test_no_slurm_and_unknown_sites(study, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["study", str(study), "--slurm", "mini"]) == 2
    assert main(["study", str(study), "--slurm", "../mini"]) == 2
    assert main(["study", str(study), "--watch"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "no Slurm here" in errors[0] and "unknown" in errors[1] and "--slurm" in errors[2]


def test_option_values_cannot_break_out():
    with pytest.raises(InputError):
        submit._sbatch_quoted("--chdir=a\nb")
    assert submit._sbatch_quoted("--chdir=/plain/path-1.0") == "--chdir=/plain/path-1.0"
    for value in ("o'neil", "run#2", "a b", "$HOME"):  # without a blank, too
        assert submit._sbatch_quoted(f"--chdir=/{value}") == f'"--chdir=/{value}"'
    assert submit._sbatch_quoted('--chdir=a"b\\c') == '"--chdir=a\\"b\\\\c"'


def test_jobs_know_nothing_of_the_allocation_they_are_submitted_from():
    here = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "12", "SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin"}
    assert submit._outside(here) == {"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin"}


def test_a_requeued_job_does_not_begin_anew(study, fake, capsys):
    assert main(["study", str(study), "--slurm", "juwels", "--dry-run", "--force", "--run", "a"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "--force" in line)
    for count, forced in ((None, True), ("0", True), ("1", False)):
        environment = {"PATH": os.environ["PATH"]} | ({"SLURM_RESTART_COUNT": count} if count else {})
        tail = line[line.index("$([") :]
        shown = subprocess.run(["bash", "-c", f"echo {tail}"], env=environment, capture_output=True, text=True).stdout
        assert ("--force" in shown) == forced


def test_a_printed_script_is_a_script(study, fake, capsys):
    assert main(["study", str(study), "--slurm", "juwels", "--dry-run", "--run", "b"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("#!/bin/bash\n") and "after a." in printed and "#   mkdir -p " in printed


def test_the_papers_runs_fit_a_node():
    site = profiles.load("juwels")
    for name in ("paper", "open_ends"):
        for run in load(ROOT / f"papermill_runs/{name}.yaml").runs:
            asked = dict(option.split("=", 1) for option in site.job_options(run.resources))
            tasks, cores = int(asked["--ntasks-per-node"]), int(asked.get("--cpus-per-task", 1))
            assert tasks * cores <= 48 and int(asked.get("--gres", "gpu:0").removeprefix("gpu:")) <= 4, run.name


def test_one_busy_moment_of_the_scheduler_does_not_end_the_watch(study, monkeypatch, capsys):
    runs, answers = load(study).runs[:1], iter([InputError("squeue: Socket timed out"), {}, {}])

    def jobs(_):
        answer = next(answers)
        if isinstance(answer, InputError):
            raise answer
        return answer

    monkeypatch.setattr(submit, "_jobs", jobs)
    monkeypatch.setattr(submit.time, "sleep", lambda _: None)
    assert submit._watch(load(study), runs) == 1
    assert "Socket timed out; asking again" in capsys.readouterr().out
