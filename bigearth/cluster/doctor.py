"""What this environment has, what each part is needed for, and what to do where it is missing."""

import os
import platform
import subprocess
from importlib import metadata

SETUP = "run ./setup.sh (or use environment.yml)"


def tensorflow():
    return _version("tensorflow-cpu", "tensorflow")


def keras():
    return _version("keras")


def horovod():
    import horovod.tensorflow as hvd

    parts = {"MPI": hvd.mpi_built(), "Gloo": hvd.gloo_built(), "NCCL": bool(hvd.nccl_built())}
    return f"{_version('horovod')} with " + ", ".join(name for name, built in parts.items() if built)


def gpus():
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout.splitlines()
    return f"{len(listed)}: {listed[0].split('(')[0].strip()}"


def gdal():
    from osgeo import gdal, gdal_array  # noqa: F401  (a broken build lacks gdal_array)

    return gdal.__version__


def jpeg2000():
    return _gdal_driver("JP2OpenJPEG")


def sentinel2():
    return _gdal_driver("SENTINEL2")


def hdf5():
    import h5py

    return f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}"


def mpi():
    # asked by its command: importing mpi4py would make this process an MPI job
    told = subprocess.run(["mpiexec", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()
    return f"{told[0]}, mpi4py {_version('mpi4py')}"


def engines():
    return f"ipyparallel {_version('ipyparallel')}, papermill {_version('papermill')}"


def slurm():
    return subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.strip()


# what is looked for: (function, what it is needed for, required here, remedy)
CHECKS = {
    "TensorFlow": (tensorflow, "training (03)", True, SETUP),
    "Keras": (keras, "training (03), DSen2 (02)", True, SETUP),
    "Horovod": (horovod, "training on several workers", True, SETUP),
    "GPUs": (gpus, "training at full size", False, "the miniature needs none; at full size use a GPU node"),
    "GDAL": (gdal, "reading patches (01, 02)", True, SETUP),
    "GDAL JP2OpenJPEG": (jpeg2000, "cutting patches from tiles (02)", True, "install GDAL with OpenJPEG"),
    "GDAL SENTINEL2": (sentinel2, "cutting patches from tiles (02)", True, "install GDAL with its SENTINEL2 driver"),
    "HDF5": (hdf5, "the cube", True, SETUP),
    "MPI": (mpi, "several workers (02, 03)", True, "apt-get install openmpi-bin, then " + SETUP),
    "Engines": (engines, "workers from a notebook, batch runs", True, SETUP),
    "Slurm": (slurm, "batch jobs on a cluster", False, "use a login node of the cluster; `study` runs here without it"),
}


def examine():
    """Look for every part the study needs.

    Returns
    -------
    list of (name, found or None, needed for, required, remedy)
    """
    # TensorFlow's start-up log would bury the report
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows = [("Python", platform.python_version(), "everything", True, "")]
    for name, (look, purpose, required, remedy) in CHECKS.items():
        try:
            found = look()
        except Exception:  # whatever is wrong with a part, the report goes on and names its remedy
            found = None
        rows.append((name, found, purpose, required, remedy))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    rows.append(("Cores", str(len(os.sched_getaffinity(0))), "one per worker on a CPU", True, ""))
    rows.append(("Memory", f"{memory:.0f} GiB", "6 GiB for the miniature study", True, ""))
    return rows


def main():
    """Print the report; 1 if something required is missing, else 0."""
    rows = examine()
    for name, found, purpose, required, remedy in rows:
        mark = "ok     " if found else "MISSING" if required else "absent "
        print(f"{mark} {name:17} {found or '-':38} for {purpose}" + ("" if found else f"; remedy: {remedy}"))
    return int(any(required and not found for _, found, _, required, _ in rows))


def _version(*packages):
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    raise metadata.PackageNotFoundError(packages[0])


def _gdal_driver(name):
    from osgeo import gdal

    return gdal.GetDriverByName(name).ShortName
