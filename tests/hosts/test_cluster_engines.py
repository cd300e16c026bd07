"""Workers in a real Slurm: every launcher, who gets which GPU, and what happens to those that die."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bigearth.files import ROOT

HERE = Path(__file__).parent
TWO_NODES = ("salloc", "-N2", "-n4")


@pytest.fixture
def on_ranks(slurm, monkeypatch):
    """Run on_ranks.py under a prefix (such as salloc): its return code, the JSON it printed, its messages."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))

    def run(prefix, *arguments, env=None, timeout=240):
        done = slurm.run(
            *prefix, sys.executable, HERE / "on_ranks.py", *arguments, check=False, env=env or {}, timeout=timeout
        )
        lines = done.stdout.strip().splitlines()
        return (
            done.returncode,
            json.loads(lines[-1]) if lines and done.returncode == 0 else None,
            done.stdout + done.stderr,
        )

    return run


@pytest.mark.parametrize("launcher", ["srun", "mpi"])
def test_workers_span_the_nodes(on_ranks, launcher):
    code, found, messages = on_ranks(TWO_NODES, launcher, "null", "where")
    assert code == 0, messages
    assert [(w["rank"], w["size"], w["node"]) for w in found] == [
        (0, 4, "node1"), (1, 4, "node1"), (2, 4, "node2"), (3, 4, "node2")]  # fmt: skip


def test_horovod_sees_all_workers(on_ranks):
    code, found, messages = on_ranks(("salloc", "-N2", "-n2"), "srun", "2", "horovod")
    assert code == 0, messages
    assert found == [{"rank": rank, "size": 2, "sum": 1} for rank in range(2)]


@pytest.mark.parametrize("request_gpus", ["--gpus-per-task=1", "--gpus-per-node=2"])
def test_every_worker_has_a_gpu_of_its_own(on_ranks, request_gpus):
    """The GPUs are a count that Slurm hands out; no real ones are used."""
    code, found, messages = on_ranks((*TWO_NODES, request_gpus), "srun", "null", "where")
    assert code == 0, messages
    assert [(w["node"], w["gpu"]) for w in found] == [("node1", "0"), ("node1", "1"), ("node2", "0"), ("node2", "1")]


def test_workers_that_would_share_a_gpu_are_refused(on_ranks):
    code, _, messages = on_ranks(("salloc", "-N1", "-n2", "--gpus-per-node=1"), "srun", "null", "where")
    assert code and "2 workers share 1 GPUs on node1" in messages


def test_horovodrun_on_one_node(on_ranks):
    code, found, messages = on_ranks(("salloc", "-N1", "-n2"), "horovodrun", "2", "horovod")
    assert code == 0, messages
    assert found == [{"rank": rank, "size": 2, "sum": 1} for rank in range(2)]


def test_a_notebook_outside_slurm_gets_workers_in_a_job_of_their_own(on_ranks):
    code, found, messages = on_ranks((), "slurm:mini", "4", "where")
    assert code == 0, messages
    assert [w["node"] for w in found] == ["node1", "node1", "node2", "node2"]


@pytest.mark.parametrize(
    "prefix, launcher, workers, message",
    [
        (TWO_NODES, "slurm:mini", "2", "inside an allocation"),
        (TWO_NODES, "horovodrun", "2", 'choose "srun"'),
        (TWO_NODES, "srun", "3", "workers is 3 but the allocation has 4 tasks"),
        ((), "srun", "2", "needs a Slurm allocation"),
        ((), "slurm:atlantis", "2", "site 'atlantis' is unknown"),
    ],
)
def test_what_cannot_work_is_refused_at_once(on_ranks, prefix, launcher, workers, message):
    code, _, messages = on_ranks(prefix, launcher, workers, "where", timeout=60)
    assert code and message in messages


def test_resources_that_cannot_be_met_are_refused(on_ranks):
    code, _, messages = on_ranks((), "slurm:mini", "64", "where", timeout=60)
    assert code and "InputError: Slurm will never start a job for these workers" in messages, messages


def test_srun_without_pmix_is_found_out(on_ranks):
    """The classic mistake: every worker finds itself alone."""
    began = time.monotonic()
    code, _, messages = on_ranks(TWO_NODES, "srun", "null", "where", env={"SLURM_MPI_TYPE": "none"})
    assert code and time.monotonic() - began < 120
    assert "4 workers were wanted" in messages or "PMI" in messages, messages


@pytest.mark.parametrize("launcher", ["srun", "mpi"])
def test_a_killed_worker_ends_all_and_is_named(slurm, monkeypatch, tmp_path, launcher):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    command = [*TWO_NODES, sys.executable, HERE / "on_ranks.py", launcher, "null", "wait_for_rank_0", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as job:
        slurm.until(lambda: len(list(tmp_path.glob("rank*"))) == 4, 120)
        time.sleep(1)
        os.kill(int((tmp_path / "rank2").read_text()), signal.SIGKILL)
        messages = job.communicate(timeout=120)[0]
    assert job.returncode
    assert "WorkerError: rank 2 of 4" in messages, messages


@pytest.mark.parametrize("launcher", ["srun", "mpi"])
def test_the_key_of_the_workers_lies_nowhere_open(slurm, monkeypatch, tmp_path, launcher):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    command = [*TWO_NODES, sys.executable, HERE / "on_ranks.py", launcher, "null", "wait", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as job:
        slurm.until(lambda: len(list(tmp_path.glob("rank-*"))) == 4, 120)
        engine = next(p for p in slurm.processes() if "ipyparallel.engine" in p.cmdline())
        profile = next(a.split("=")[1] for a in engine.cmdline() if a.startswith("--profile-dir="))
        key = json.loads((Path(profile) / "security/ipcontroller-engine.json").read_text())["key"]
        commands = [" ".join(process.cmdline()) for process in slurm.processes()]
        opened = [path for path in Path(profile).rglob("*") if path.is_file()]
        mode = Path(profile).stat().st_mode & 0o077
        slurm.run("scancel", "--user", str(os.getuid()))
        messages = job.communicate(timeout=60)[0]
    assert len(key) > 20 and opened and mode == 0  # its files are behind a folder that others cannot enter
    assert key not in messages and not [command for command in commands if key in command]
    assert not [path for path in (ROOT / "scratch").glob("engines-*") if path == Path(profile)], "left behind"
