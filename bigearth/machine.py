"""Count the cores that this process may use, also within a container's quota, and find the GPUs that work."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bigearth.errors import InputError

CGROUPS_OF_PROCESS = Path("/proc/self/cgroup")
CGROUP_ROOT = Path("/sys/fs/cgroup")
GPU_WORDS = ("GPU-", "MIG-")  # beginnings of the ids that CUDA_VISIBLE_DEVICES and nvidia-smi use
NO_GPU_WORDS = ("", "-1", "none", "void", "nodevfiles")  # Slurm writes NoDevFiles where a job has no GPU
ASK_SECONDS = 60  # that nvidia-smi may take; a GPU that hangs makes it hang, too


@dataclass(frozen=True)
class Gpu:
    """A GPU that the driver answers for: its hardware id and its model."""

    uuid: str
    model: str


def count_cores() -> int:
    """Return the number of cores that this process may use at a time: its affinity, and its cgroups' CPU quota."""
    return min(len(os.sched_getaffinity(0)), count_all_cores())


def count_all_cores() -> int:
    """Return the number of cores of this machine, or of its container's CPU quota, also where this process has few."""
    cores = os.cpu_count() or 1
    quota = read_cpu_quota()
    if quota is not None:
        cores = min(cores, max(1, int(quota)))
    return cores


def read_cpu_quota() -> float | None:
    """Return the cores that the cgroups of this process allow, also those above its own; None: no limit."""
    try:
        lines = CGROUPS_OF_PROCESS.read_text().splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            roots = [CGROUP_ROOT, CGROUP_ROOT / "unified"]
            read_quota = _read_quota_v2
        elif "cpu" in controllers.split(","):
            roots = [CGROUP_ROOT / "cpu", CGROUP_ROOT / controllers]
            read_quota = _read_quota_v1
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        for root in roots:
            for group in (own, *own.parents):
                quotas.append(read_quota(root / group))
    return min((quota for quota in quotas if quota is not None), default=None)


def _read_quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # absent, or "max"
        return None


def _read_quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    if quota <= 0 or period <= 0:  # -1: no limit
        return None
    return quota / period


def list_gpus() -> list[Gpu]:
    """List the GPUs of this machine; empty where there is none, or no driver that answers."""
    query = ["nvidia-smi", "--query-gpu=uuid,name", "--format=csv,noheader"]
    if not shutil.which(query[0]):
        return []
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    if answer.returncode:
        return []
    gpus = []
    for line in answer.stdout.splitlines():
        uuid, _, model = line.partition(",")
        if uuid.startswith(GPU_WORDS):  # not the apology of a missing driver
            gpus.append(Gpu(uuid.strip(), model.strip()))
    return gpus


def list_visible_gpus(known: list[Gpu]) -> list[str]:
    """List the GPUs that CUDA shows this process, each as CUDA_VISIBLE_DEVICES names it; all where it is not set.

    Parameters
    ----------
    known : list of Gpu
        Those of this machine, as `list_gpus` finds them.

    Raises
    ------
    InputError
        CUDA_VISIBLE_DEVICES holds something else than numbers and ids of GPUs that are here.
    """
    text = os.environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return [str(number) for number in range(len(known))]
    visible = []
    for word in text.split(","):
        word = word.strip()
        if word.lower() in NO_GPU_WORDS:
            break  # CUDA, too, shows only the GPUs before such a word
        is_number = word.isascii() and word.isdigit()
        if not is_number and not word.startswith(GPU_WORDS):
            raise InputError(
                f"CUDA_VISIBLE_DEVICES is {text!r}: give numbers or ids of GPUs (nvidia-smi -L), or nothing for none"
            )
        if is_number and known and int(word) >= len(known):
            raise InputError(
                f"CUDA_VISIBLE_DEVICES is {text!r}, but this machine has {len(known)} GPUs, numbered from 0"
            )
        if word not in visible:
            visible.append(word)
    return visible
