"""The report of ``python -m bigearth doctor``: which parts are here, what each is for, what to do."""

import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

SETUP = "run ./setup.sh (or use environment.yml)"


@dataclass(frozen=True)
class Check:
    """One part that the study needs.

    Attributes
    ----------
    find : callable
        Returns the part's version in words; raises where the part is missing or broken.
    purpose : str
        What it is needed for.
    required : bool
        Whether the study cannot run here without it.
    remedy : str
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


def find_tensorflow() -> str:
    return _find_version("tensorflow-cpu", "tensorflow")


def find_keras() -> str:
    return _find_version("keras")


def find_horovod() -> str:
    import horovod.tensorflow as hvd

    built = {"MPI": hvd.mpi_built(), "Gloo": hvd.gloo_built(), "NCCL": bool(hvd.nccl_built())}
    ways = [name for name, is_built in built.items() if is_built]
    return f"{_find_version('horovod')} with {', '.join(ways)}"


def find_gpus() -> str:
    listed = _ask("nvidia-smi", "-L").splitlines()
    return f"{len(listed)}: {listed[0].split('(')[0].strip()}"


def find_gdal() -> str:
    from osgeo import gdal, gdal_array  # noqa: F401  (a broken build lacks gdal_array)

    return gdal.__version__


def find_jpeg2000() -> str:
    from osgeo import gdal

    return gdal.GetDriverByName("JP2OpenJPEG").ShortName


def find_hdf5() -> str:
    import h5py

    return f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}"


def find_mpi() -> str:
    # asked by its command: importing mpi4py would make this process an MPI job
    first = _ask("mpiexec", "--version").splitlines()[0]
    return f"{first}, mpi4py {_find_version('mpi4py')}"


def find_engines() -> str:
    return f"ipyparallel {_find_version('ipyparallel')}, papermill {_find_version('papermill')}"


def find_slurm() -> str:
    return _ask("sinfo", "--version").strip()


CHECKS = {
    "TensorFlow": Check(find_tensorflow, "training (03)", True, SETUP),
    "Keras": Check(find_keras, "training (03), DSen2 (02)", True, SETUP),
    "Horovod": Check(find_horovod, "training on several workers", True, SETUP),
    "GPUs": Check(find_gpus, "training at full size", False, "the miniature needs none; at full size use a GPU node"),
    "GDAL": Check(find_gdal, "reading patches (01, 02)", True, SETUP),
    "GDAL JP2OpenJPEG": Check(find_jpeg2000, "cutting patches from tiles (02)", True, "install GDAL with OpenJPEG"),
    "HDF5": Check(find_hdf5, "the cube", True, SETUP),
    "MPI": Check(find_mpi, "several workers (02, 03)", True, f"apt-get install openmpi-bin, then {SETUP}"),
    "Engines": Check(find_engines, "workers from a notebook, batch runs", True, SETUP),
    "Slurm": Check(
        find_slurm, "batch jobs on a cluster", False, "use a login node of the cluster; `study` runs here without it"
    ),
}


def examine() -> list[Finding]:
    """Look for every part that the study needs."""
    # TensorFlow's start-up log would bury the report
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    findings = [Finding("Python", platform.python_version(), "everything", True, "")]
    for name, check in CHECKS.items():
        try:
            found = check.find()
        except Exception:  # whatever is wrong with a part, the report goes on and names its remedy
            found = None
        findings.append(Finding(name, found, check.purpose, check.required, check.remedy))
    cores = len(os.sched_getaffinity(0))
    findings.append(Finding("Cores", str(cores), "one per worker on a CPU", True, ""))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    findings.append(Finding("Memory", f"{memory:.0f} GiB", "6 GiB for the miniature study", True, ""))
    return findings


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


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
