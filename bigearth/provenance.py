"""Record the origin of a result in ``provenance.json``: parameters, commit, versions, machine and cost."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bigearth import machine
from bigearth.files import ROOT, write_whole

PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "horovod", "numpy", "h5py", "gdal", "ipyparallel", "papermill")


def collect(parameters: Mapping[str, Any], started: float, workers: int = 1, gpus: int = 0) -> dict[str, Any]:
    """Collect the record of a run, when it ends.

    Parameters
    ----------
    parameters : mapping
        As given to the run; paths below the project's folder become relative.
    started : float
        Seconds since the epoch (``time.time()``) at the start.
    workers, gpus : int
        Workers of the run, and how many GPUs they used together.

    Returns
    -------
    dict
        ``parameters, commit, versions, machine, workers, started`` (UTC, ISO 8601)``, wall_seconds, gpu_hours``.
    """
    wall = time.time() - started
    return {
        "parameters": {name: _shorten_path(value) for name, value in parameters.items()},
        "commit": find_commit(),
        "versions": {"python": platform.python_version(), **_find_versions()},
        "machine": describe_machine(has_gpu=gpus > 0),
        "workers": workers,
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(wall, 1),
        "gpu_hours": round(gpus * wall / 3600, 3),
    }


def write(folder: Path | str, record: Mapping[str, Any]) -> None:
    """Write ``record`` to ``folder/provenance.json``, whole or not at all."""
    with write_whole(Path(folder) / "provenance.json") as partial:
        partial.write_text(json.dumps(record, indent=1, default=str) + "\n")


def find_commit() -> str:
    """Find the commit of the project's checkout.

    Returns
    -------
    str
        With ``-changed`` appended where files differ from the commit; "unknown" outside git.
    """
    # results/ is what runs write: it says nothing about the code that wrote it
    tracked = ["--untracked-files=no", "--", ".", ":!results"]
    try:
        head = _ask_git("rev-parse", "--short=12", "HEAD")
        changed = _ask_git("status", "--porcelain", *tracked)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}-changed" if changed else head


def describe_machine(has_gpu: bool) -> dict[str, Any]:
    """Describe this node: system, processor, cores of this process, nodes of its job, and model of its GPU."""
    gpu = None
    if has_gpu:
        gpus = machine.list_gpus()
        gpu = gpus[0].model if gpus else "GPU"
    return {
        "system": platform.platform(),
        "processor": _find_processor(),
        "cores": machine.count_cores(),
        "nodes": _count_nodes(),
        "gpu": gpu,
    }


def _ask_git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _count_nodes() -> int:
    """Nodes of this process' Slurm step or job; a step may take fewer than its job."""
    for name in ("SLURM_STEP_NUM_NODES", "SLURM_JOB_NUM_NODES"):
        count = os.environ.get(name, "")
        if count.isascii() and count.isdigit():
            return int(count)
    return 1


def _shorten_path(value: Any) -> Any:
    if isinstance(value, str | Path) and Path(value).is_relative_to(ROOT):
        return str(Path(value).relative_to(ROOT))
    return value


def _find_versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _find_processor() -> str:
    """Name of the processor, from /proc/cpuinfo where there is one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    for line in lines:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
