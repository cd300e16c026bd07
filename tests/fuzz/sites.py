"""What a site and a session say: a profile's file after an accident, variables of Slurm's jobs and of CUDA."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bigearth import machine
from bigearth.cluster import profiles
from bigearth.cluster.allocation import count_workers
from bigearth.machine import Gpu
from tests.fuzz.broken import DAMAGES, NO_FILES, damaged, put
from tests.fuzz.outcomes import Kind

RESOURCES = {"nodes": 2, "tasks_per_node": 4, "gpus_per_task": 1}
GENERIC = (profiles.FOLDER / "generic.yaml").read_bytes()


def is_usable(profile: profiles.Profile, folder: Path) -> bool:
    """Whether sbatch gets options and bash gets assignments."""
    options = profile.job_options(RESOURCES)
    if not all(re.fullmatch(r"-[^\n]*", option) for option in options):
        return False
    lines = [f"export {name}={shlex.quote(value)}" for name, value in profile.job_environment().items()]
    done = subprocess.run(["bash", "-e", "-c", "\n".join(lines)], cwd=folder, capture_output=True, text=True)
    return done.returncode == 0 and not done.stderr


# ---- a profile's file ----


def load_file(damage: Any, folder: Path) -> profiles.Profile:
    """Load the generic profile after an accident."""
    path = folder / "site.yaml"
    if isinstance(damage, str):
        put(path, damage)
    else:
        path.write_bytes(damaged(GENERIC, damage))
    profiles.FOLDER = folder
    return profiles.load("site")


def is_file_usable(damage: Any, profile: profiles.Profile, folder: Path) -> bool | str:
    if damaged(GENERIC, damage) == GENERIC:
        return is_usable(profile, folder)
    return "unknowable" if is_usable(profile, folder) else False


# ---- variables of a job ----

NUMBERS = st.none() | st.sampled_from(["4", "1", "0", "-1", "four", "", "4(x2)", "2.0", " 4"])
ANSWERS = ("echo RUNNING", "exit 0", "echo FAILED", "exit 1", "echo Invalid job id >&2; exit 1")
SESSIONS = st.fixed_dictionaries(
    {
        "SLURM_JOB_ID": st.none() | st.sampled_from(["7", ""]),
        "SLURM_NTASKS": NUMBERS,
        "SLURM_NTASKS_PER_NODE": NUMBERS,
        "SLURM_JOB_NUM_NODES": NUMBERS,
        "SLURM_NNODES": NUMBERS,
        "SLURMD_NODENAME": st.none() | st.just("n1"),
        "squeue": st.sampled_from(
            ["echo RUNNING", "exit 0", "echo FAILED", "exit 1", "echo Invalid job id >&2; exit 1"]
        ),
        "workers": st.none() | st.integers(-1, 5),
        "launcher": st.sampled_from(["mpi", "srun", "horovodrun", "slurm", "ssh", ""]),
    }
)


def count_in(session: dict, folder: Path) -> int:
    """Count the workers that would be started with these variables."""
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        del os.environ[name]
    for name, value in session.items():
        if name.startswith("SLURM") and value is not None:
            os.environ[name] = value
    (folder / "programs").mkdir()
    (folder / "programs" / "squeue").write_text(f"#!/bin/sh\n{session['squeue']}\n")
    (folder / "programs" / "squeue").chmod(0o755)
    os.environ["PATH"] = f"{folder / 'programs'}:{os.environ['PATH']}"
    return count_workers(session["workers"], session["launcher"])


def is_count_right(session: dict, count: int, folder: Path) -> bool:
    """Whether so many were asked for, or the job that runs, or this machine has as many."""
    in_job = bool(session["SLURM_JOB_ID"])
    if in_job and session["squeue"] not in ("echo RUNNING", "exit 1"):
        return False
    if session["workers"] is not None:
        return count == session["workers"] > 0
    if not in_job:
        return count == machine.count_cores()
    if session["SLURM_NTASKS"]:
        return count == int(session["SLURM_NTASKS"])
    nodes = int(session["SLURM_JOB_NUM_NODES"] or session["SLURM_NNODES"] or 1)
    return count == nodes * int(session["SLURM_NTASKS_PER_NODE"] or 0)


# ---- CUDA_VISIBLE_DEVICES ----

WORDS = st.lists(
    st.sampled_from(["0", "1", "2", " 1", "-1", "", "GPU-a", "MIG-b", "NoDevFiles", "all", "none", "0-1", "x", "٣"]),
    max_size=4,
)


def list_visible(words: list[str], folder: Path) -> list[str]:
    """List the GPUs of two that these words show."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(words)
    return machine.list_visible_gpus([Gpu("GPU-a", "H100"), Gpu("GPU-b", "H100")])


def is_visible_right(words: list[str], visible: list[str], folder: Path) -> bool:
    meant = [word.strip() for word in words]
    for number, word in enumerate(meant):
        if word in ("-1", "", "NoDevFiles", "none"):
            meant = meant[:number]
            break
    known = ("0", "1", "GPU-a", "MIG-b")
    return all(word in known for word in meant) and visible == list(dict.fromkeys(meant))


KINDS = [
    Kind("file of a site", DAMAGES | NO_FILES, load_file, is_file_usable, may_change=("site.yaml",)),
    Kind("job that Slurm knows", SESSIONS, count_in, is_count_right, may_change=("programs",)),
    Kind("variables of GPUs", WORDS, list_visible, is_visible_right),
]
