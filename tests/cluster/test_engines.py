"""Workers: they form one group, talk and fail through the notebook, and never outlive it."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bigearth import files
from bigearth.cluster import engines, failures, launchers, network, profiles
from bigearth.errors import InputError

# ---- what the workers do; they import this module, as every function that they run ----


def place(number=0):
    from mpi4py.MPI import COMM_WORLD

    print(f"rank {COMM_WORLD.rank} is here", flush=True)
    total = COMM_WORLD.allreduce(number)
    return COMM_WORLD.rank, total, os.getpid(), sorted(os.sched_getaffinity(0)), os.environ.get("CUDA_VISIBLE_DEVICES")


def talk():
    for word in ("one", "two", "three"):
        print(word, flush=True)
        time.sleep(1.2)


def fail(rank, error):
    from mpi4py.MPI import COMM_WORLD

    if COMM_WORLD.rank == rank:
        raise {"InputError": InputError, "ValueError": ValueError}[error]("too much\nof it")
    COMM_WORLD.barrier()  # the others wait for ever


def die(rank):
    from mpi4py.MPI import COMM_WORLD

    if COMM_WORLD.rank == rank:
        os.kill(os.getpid(), signal.SIGKILL)
    COMM_WORLD.barrier()


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(files.ROOT))


@pytest.fixture(autouse=True)
def nothing_left():
    """After each test no process that it started is there."""
    before = set(psutil.Process().children(recursive=True))
    yield
    _until(lambda: set(psutil.Process().children(recursive=True)) <= before)


def _until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_two_workers_are_one_group(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.chdir(tmp_path)
    watched = []
    with engines.start(2, "mpi") as group:
        found = group.run(place, number=21)
        assert [f[:2] for f in found] == [(0, 42), (1, 42)] and group.size == 2
        assert [f[4] for f in found] == ["3", "5"]  # each its own GPU
        if len(os.sched_getaffinity(0)) > 1:
            assert set(found[0][3]).isdisjoint(found[1][3])  # and its own cores
        assert capsys.readouterr().out == "rank 0 is here\n"  # of rank 0 alone

        folder = group._folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        key = json.loads((folder / "security" / "ipcontroller-client.json").read_text())["key"]
        shown = [child.cmdline() for child in psutil.Process().children(recursive=True)]
        assert len(key) > 30 and len(shown) >= 4 and key not in str(shown)
        listening = [
            c.laddr.ip for c in psutil.Process(group._processes[0].pid).net_connections() if c.status == "LISTEN"
        ]
        assert set(listening) == {"127.0.0.1"}

        group.run(talk, watch=lambda: watched.append(capsys.readouterr().out))
        assert [text for text in watched if text] == ["one\n", "two\n", "three\n"]  # while it runs, not at its end

        started = time.monotonic()
        with pytest.raises(failures.WorkerError, match=r"^rank 1 of 2: ValueError: too much") as caught:
            group.run(fail, rank=1, error="ValueError")
        assert "test_engines.py" in str(caught.value) and "in fail(rank, error)" in str(caught.value)
        assert time.monotonic() - started < 30
        with pytest.raises(failures.WorkerError, match="stopped; start new ones"):
            group.run(talk)
        assert not folder.exists()


def test_a_dead_worker_is_named(capsys):
    with engines.start(2, "mpi") as group, pytest.raises(failures.WorkerError, match="^rank 1 of 2: the process ended"):
        group.run(die, rank=1)


def test_one_worker_needs_no_mpi():
    with engines.start(1, "mpi") as group:
        assert "mpiexec" not in str([child.cmdline() for child in psutil.Process().children(recursive=True)])
        with pytest.raises(InputError, match="^too much of it$"):  # what a user can mend comes as it was raised
            group.run(fail, rank=0, error="InputError")
    with engines.start(1) as group, pytest.raises(failures.WorkerError, match="^rank 0 of 1: the process ended"):
        group.run(die, rank=0)


def test_interrupting_the_notebook_stops_the_workers():
    def interrupt():
        raise KeyboardInterrupt

    with engines.start(1) as group, pytest.raises(KeyboardInterrupt):
        group.run(talk, watch=interrupt)
    assert not group._processes


def test_killing_the_notebook_leaves_no_worker():
    code = "import time\nfrom bigearth.cluster import engines\n"
    code += "group = engines.start(2)\nprint(group._folder, flush=True)\ntime.sleep(99)"
    notebook = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    folder = Path(notebook.stdout.readline().strip())
    assert (folder / "security").is_dir()
    children = psutil.Process(notebook.pid).children(recursive=True)
    assert len(children) >= 4
    notebook.kill()
    notebook.wait()
    _until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))
    assert not folder.exists()  # it held a key


def test_workers_that_are_no_group_are_refused(monkeypatch):
    """The classic mistake: the launcher and mpi4py do not know each other, and each rank finds itself alone."""
    monkeypatch.setattr(launchers, "build_command", lambda *_: ["sh", "-c", '"$@" & "$@" & wait', "sh"])
    with pytest.raises(failures.WorkerError, match=r"2 came, whose MPI says size \[1\], ranks \[0, 0\]"):
        engines.start(2, "mpi")


def test_a_launcher_that_fails_is_told_with_its_words(monkeypatch):
    monkeypatch.setattr(launchers, "build_command", lambda *_: ["sh", "-c", "echo no such partition; exit 3"])
    with pytest.raises(failures.WorkerError, match="sh ended with code 3:\nno such partition"):
        engines.start(2, "mpi")


def test_too_few_workers_are_told_in_time(monkeypatch, tmp_path):
    monkeypatch.setattr(launchers, "build_command", lambda *_: ["sh", "-c", "sleep 99"])
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    (tmp_path / "busy.yaml").write_text("start_seconds: 5")
    with pytest.raises(failures.WorkerError, match=r"0 of 2 workers after 5 s .*start_seconds in .*busy\.yaml"):
        engines.start(2, "mpi:busy")


def test_a_shell_outside_the_allocation_listens_for_its_nodes(allocation, monkeypatch):
    """salloc on a login node: the workers are on another machine, so 127.0.0.1 would not do."""
    allocation(SLURM_JOB_NUM_NODES=1, SLURM_NTASKS=1)
    monkeypatch.setattr(launchers, "build_command", lambda *_: [])
    monkeypatch.setattr(network, "find_address", lambda _: "192.0.2.7")
    monkeypatch.setattr(engines.Group, "_spawn", lambda self, command, _: pytest.fail(str(command)))
    with pytest.raises(pytest.fail.Exception, match="--ip=192.0.2.7"):
        engines.start(1, "srun")


def test_hidden_gpus_are_no_silent_training_on_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # and no such hardware here
    tf = pytest.importorskip("tensorflow")
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("a GPU is here")
    from bigearth.training import team

    with pytest.raises(InputError, match="TensorFlow sees no GPU"):
        team.join_team()
    for nothing in ("", "-1", "NoDevFiles"):  # Slurm writes the last one
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert team.join_team().size == 1


@pytest.mark.parametrize("launcher", ["mpi", "horovodrun"])
def test_no_command_line_shows_the_key(launcher):
    with engines.start(2, launcher):
        commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
        profile = re.search(r"ipyparallel.engine.*--profile-dir=(\S+)", "\n".join(commands))[1]
        key = json.loads((Path(profile) / "security/ipcontroller-engine.json").read_text())["key"]
        assert len(key) > 20 and not [command for command in commands if key in command]


def test_workers_under_slurm_start_in_the_sites_image(stand_in, monkeypatch, tmp_path, capsys):
    """Stand-ins: srun starts its command as a step of one task, apptainer the command after the image."""
    stand_in("srun", 'echo "$*" >>"$SHOWN"; while [ "$1" != apptainer ]; do shift; done; exec "$@"')
    stand_in("apptainer", f'while [ "$1" != python ]; do shift; done; shift; exec {sys.executable} "$@"')
    monkeypatch.setenv("SHOWN", str(tmp_path / "shown"))
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    (tmp_path / "boxed.yaml").write_text(f"container: apptainer exec {tmp_path}/a.sif\nstart_seconds: 60")
    with pytest.raises(InputError, match="a.sif, which is not there"):
        engines.start(1, "slurm:boxed")
    (tmp_path / "a.sif").touch()
    monkeypatch.setattr(network, "find_address", lambda _: "127.0.0.1")
    with engines.start(1, "slurm:boxed") as group:
        assert group.run(place, number=1)[0][:2] == (0, 1)
    shown = (tmp_path / "shown").read_text()
    assert f"--ntasks=1 --nodes=1 --ntasks-per-node=1 --time=01:00:00 apptainer exec --bind {files.ROOT} " in shown
