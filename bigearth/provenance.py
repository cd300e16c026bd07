"""Where a result comes from: parameters, commit, versions, machine and cost, in one ``provenance.json``."""

import json
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bigearth import machine
from bigearth.files import ROOT

PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "horovod", "numpy", "h5py", "gdal", "ipyparallel", "papermill")


def collect(parameters, started, workers=1, gpus=0):
    """Record of one run, taken when it ends.

    Parameters
    ----------
    parameters : dict
        As given to the run; paths below the project's folder become relative.
    started : float
        Seconds since the epoch (``time.time()``) at the start.
    workers, gpus : int
        Ranks of the run, and how many GPUs they used together.

    Returns
    -------
    dict
        ``parameters, commit, versions, machine, workers, started`` (UTC, ISO 8601)``, wall_seconds, gpu_hours``.
    """
    wall = time.time() - started
    return {
        "parameters": {name: _relative(value) for name, value in parameters.items()},
        "commit": commit(),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": machine.count_cores(),
            # a step may take fewer nodes than its job
            "nodes": int(os.environ.get("SLURM_STEP_NUM_NODES") or os.environ.get("SLURM_JOB_NUM_NODES", 1)),
            "gpu": _gpu() if gpus else None,
        },
        "workers": workers,
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(wall, 1),
        "gpu_hours": round(gpus * wall / 3600, 3),
    }


def write(folder, record):
    """Write ``record`` to ``folder/provenance.json``, whole or not at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ".provenance.json.partial"
    partial.write_text(json.dumps(record, indent=1, default=str) + "\n")
    partial.replace(folder / "provenance.json")


def commit():
    """Commit of the project's checkout, ``-changed`` appended where files differ from it; "unknown" outside git."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        # results/ is what runs write: it says nothing about the code that wrote it
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("-changed" if changed.stdout.strip() else "")


def _relative(value):
    if isinstance(value, str | Path) and Path(value).is_relative_to(ROOT):
        return str(Path(value).relative_to(ROOT))
    return value


def _versions():
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _gpu():
    """Model of this node's first GPU."""
    gpus = machine.list_gpus()
    return gpus[0].model if gpus else "GPU"


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
