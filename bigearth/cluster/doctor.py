"""The report of ``python -m bigearth doctor``: which parts are installed, their purpose, and remedies.

Variables of the environment that mislead a job are found here before it starts.
"""

import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from bigearth import machine
from bigearth.cluster import gpu_route
from bigearth.cluster.allocation import read_allocation
from bigearth.cluster.mpi_library import check_mpi
from bigearth.errors import InputError
from bigearth.installation import check_keras, check_projections, check_python_path

SETUP = "run ./setup.sh (or use environment.yml)"


@dataclass(frozen=True)
class Check:
    """One part that the study needs.

    Attributes
    ----------
    find : callable
        Returns the part's version in words. Where the part is missing or broken it raises: InputError with the remedy,
        or anything else.
    purpose : str
        What it is needed for.
    required : bool
        Whether the study cannot run here without it.
    remedy : str
        Where `find` does not tell its own.
    """

    find: Callable[[], str]
    purpose: str
    required: bool
    remedy: str


@dataclass(frozen=True)
class Finding:
    """A line of the report; ``found`` is None where the part is missing."""

    name: str
    found: str | None
    purpose: str
    required: bool
    remedy: str


# ---- each finds one part and says its version ----


def find_tensorflow() -> str:
    return _find_version("tensorflow-cpu", "tensorflow")


def find_keras() -> str:
    check_keras()
    return _find_version("keras")


def find_horovod() -> str:
    import horovod.tensorflow as hvd

    built = {"MPI": hvd.mpi_built(), "Gloo": hvd.gloo_built(), "NCCL": bool(hvd.nccl_built())}
    ways = [name for name, is_built in built.items() if is_built]
    return f"{_find_version('horovod')} with {', '.join(ways)}"


def find_gdal() -> str:
    from osgeo import gdal, gdal_array  # noqa: F401  (a broken build lacks gdal_array)

    return gdal.__version__


def find_jpeg2000() -> str:
    from osgeo import gdal

    return gdal.GetDriverByName("JP2OpenJPEG").ShortName


def find_hdf5() -> str:
    import h5py

    return f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}"


def find_projections() -> str:
    check_projections()
    return "found"


def find_mpi() -> str:
    return f"{check_mpi()}, mpi4py {_find_version('mpi4py')}"


def find_python_path() -> str:
    check_python_path()
    return os.environ.get("PYTHONPATH") or "not set"


def find_engines() -> str:
    return f"ipyparallel {_find_version('ipyparallel')}, papermill {_find_version('papermill')}"


def find_slurm() -> str:
    return subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def find_allocation() -> str:
    allocation = read_allocation()
    if not allocation.job:
        return "none"
    if allocation.tasks is None:
        raise InputError(f"{allocation.doubt}: give workers a number, or ask for --ntasks")
    return f"job {allocation.job}: {allocation.tasks} tasks on {allocation.nodes} nodes"


def find_cores() -> str:
    cores, usable = len(os.sched_getaffinity(0)), machine.count_cores()
    if usable < cores:
        return f"{usable} of {cores}: the quota of a cgroup"
    return str(cores)


def find_memory() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{memory:.0f} GiB"


CHECKS = {
    "Python": Check(platform.python_version, "everything", True, SETUP),
    "PYTHONPATH": Check(find_python_path, "everything", True, "unset PYTHONPATH"),
    "TensorFlow": Check(find_tensorflow, "training (03)", True, SETUP),
    "Keras": Check(find_keras, "training (03), DSen2 (07)", True, SETUP),
    "Horovod": Check(
        find_horovod,
        "training on several workers",
        False,
        f"mpi4py takes its place, which is correct but slow (launchers mpi, srun, slurm); {SETUP}",
    ),
    "GPUs": Check(gpu_route.find_gpus, "training at full size", False, "use a GPU node"),
    "CUDA": Check(gpu_route.find_cuda, "training on GPUs", False, gpu_route.REMEDY),
    "NCCL": Check(gpu_route.find_nccl, "training on several GPUs", False, gpu_route.REMEDY),
    "GPU route": Check(gpu_route.describe_route, "training", False, gpu_route.REMEDY),
    "GDAL": Check(find_gdal, "reading patches (01, 02)", True, SETUP),
    "GDAL JP2OpenJPEG": Check(find_jpeg2000, "cutting patches from tiles (02)", True, "install GDAL with OpenJPEG"),
    "Projections": Check(find_projections, "where patches lie (01, 02, 06)", True, SETUP),
    "HDF5": Check(find_hdf5, "the cube", True, SETUP),
    "MPI": Check(find_mpi, "several workers (02, 03)", True, f"apt-get install openmpi-bin, then {SETUP}"),
    "Engines": Check(find_engines, "workers from a notebook, batch runs", True, SETUP),
    "Slurm": Check(
        find_slurm, "batch jobs on a cluster", False, "use a login node of the cluster; `study` runs here without it"
    ),
    "Slurm job": Check(find_allocation, "workers in an allocation", True, "start this again in a new shell"),
    "Cores": Check(find_cores, "one per worker on a CPU", True, ""),
    "Memory": Check(find_memory, "6 GiB for the miniature study", True, ""),
}


def examine() -> list[Finding]:
    """Look for every part that the study needs."""
    # TensorFlow's start-up log would bury the report
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    findings = []
    for name, check in CHECKS.items():
        found, remedy = None, check.remedy
        try:
            found = check.find()
        except InputError as error:
            remedy = str(error)
        except Exception as error:  # whatever is wrong with a part, the report goes on and names its remedy
            remedy = _explain_import(error) or check.remedy
        findings.append(Finding(name, found, check.purpose, check.required, remedy))
    return findings


def _explain_import(error: Exception) -> str:
    """Return the variable that keeps a package from being imported; empty where none does."""
    if isinstance(error, ImportError):
        try:
            check_python_path()
            check_keras()
        except InputError as cause:
            return str(cause)
    return ""


def main() -> int:
    """Print the report; return 1 if something required is missing, else 0."""
    status = 0
    for finding in examine():
        mark = "ok"
        remedy = ""
        if not finding.found:
            mark = "MISSING" if finding.required else "absent"
            remedy = f"; remedy: {finding.remedy}"
            if finding.required:
                status = 1
        print(f"{mark:7} {finding.name:17} {finding.found or '-':38} for {finding.purpose}{remedy}")
    return status


def _find_version(*packages: str) -> str:
    """Return the version of the first of these packages that is installed."""
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    raise metadata.PackageNotFoundError(packages[0])
