"""Find which way of using GPUs works on this node, and what it lacks: GPUs, driver, TensorFlow's CUDA, Horovod's NCCL.

Each check returns what it found, in words, or raises InputError with the remedy. Without a GPU none of them is slow.
"""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from bigearth import machine
from bigearth.errors import InputError

REMEDY = "run ./setup.sh gpu (or use environment.yml), see slurm/gpu.md"
DRIVER_VERSION = Path("/proc/driver/nvidia/version")
TOOLKIT_OF_HOROVOD = Path("cuda-of-horovod")  # in the environment's folder: written by setup.sh
OLDEST_DRIVERS = {12: 525, 13: 580}  # of each CUDA, the first number of the driver (CUDA's release notes, Table 2)


def find_gpus() -> str:
    """Describe the GPUs that this process may use."""
    gpus = machine.list_gpus()
    if not gpus:
        raise InputError(_explain_missing_gpus())
    visible = machine.list_visible_gpus(gpus)
    if not visible:
        return f"none of {len(gpus)} ({gpus[0].model}): CUDA_VISIBLE_DEVICES is {os.environ['CUDA_VISIBLE_DEVICES']!r}"
    return f"{len(visible)}: {gpus[0].model}"


def _explain_missing_gpus() -> str:
    """Say why there are no GPUs; InputError where CUDA_VISIBLE_DEVICES promises some."""
    reason = "the miniature needs none; at full size use a GPU node"
    if shutil.which("nvidia-smi"):
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=machine.ASK_SECONDS)
        words = " ".join((answer.stdout + answer.stderr).split())[:100]
        reason = f"nvidia-smi finds no GPU ({words}): use a GPU node, or load the driver"
    if machine.list_visible_gpus([]):
        reason = f"CUDA_VISIBLE_DEVICES is {os.environ['CUDA_VISIBLE_DEVICES']!r}, but {reason}; or unset the variable"
    return reason


def read_driver() -> int | None:
    """Read the first number of the driver's version; None where no driver is loaded, or it does not tell."""
    try:
        text = DRIVER_VERSION.read_text()
    except OSError:
        return None
    version = re.search(r"Kernel Module.*?\s(\d+)\.\d", text)
    return int(version[1]) if version else None


def count_usable_gpus() -> int:
    """Count the GPUs that this process may use."""
    return len(machine.list_visible_gpus(machine.list_gpus()))


def find_cuda() -> str:
    """Describe TensorFlow's CUDA, and check on a node with GPUs that it sees them."""
    import tensorflow as tf

    gpus = count_usable_gpus()
    build = tf.sysconfig.get_build_info()
    if not build["is_cuda_build"]:
        if gpus:
            raise InputError(f"this TensorFlow computes on cores alone, {gpus} GPUs stay idle: {REMEDY}")
        raise InputError(f"this TensorFlow computes on cores alone, and no GPU is here; where one is: {REMEDY}")
    cuda = build["cuda_version"]
    _check_driver(int(cuda.split(".")[0]), "TensorFlow", "or use another node")
    seen = len(tf.config.list_physical_devices("GPU")) if gpus else 0
    if seen:
        return f"{cuda}, TensorFlow sees {seen} GPUs"
    lacking = list_lacking_libraries()
    if lacking:
        raise InputError(
            f"TensorFlow is built with CUDA {cuda}, but {len(lacking)} packages of its libraries are not installed, "
            f"such as {lacking[0]}: {REMEDY}"
        )
    if gpus:
        raise InputError(
            f"TensorFlow is built with CUDA {cuda}, but sees none of {gpus} GPUs: its libraries cannot be loaded "
            "(TF_CPP_MIN_LOG_LEVEL=0 python -c 'import tensorflow as tf; tf.config.list_physical_devices()' names "
            "them); unset LD_LIBRARY_PATH, which may lead to those of another CUDA, or repeat ./setup.sh gpu"
        )
    return f"{cuda}, not tried: no GPU here"


def list_lacking_libraries() -> list[str]:
    """List the packages of ``tensorflow[and-cuda]`` that are not installed; none with conda, which has its own."""
    if (Path(sys.prefix) / "conda-meta").exists():
        return []
    try:
        requirements = metadata.requires("tensorflow") or []
    except metadata.PackageNotFoundError:
        return []
    wanted = [re.split(r"[^\w-]", line)[0] for line in requirements if "and-cuda" in line]
    return [name for name in wanted if not _is_installed(name)]


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def find_nccl() -> str:
    """Describe how workers exchange gradients between GPUs; InputError where it is not NCCL."""
    try:
        import horovod.tensorflow as hvd
    except Exception as error:  # a build for another TensorFlow raises whatever its library does
        raise InputError(
            f"Horovod cannot be imported ({type(error).__name__}): mpi4py takes its place, which is correct but slow; "
            f"{REMEDY}"
        ) from None
    if not hvd.nccl_built():
        raise InputError(
            "Horovod is built without NCCL: gradients go through the host's memory, which is correct but slow; "
            f"{REMEDY}"
        )
    toolkit = _read_toolkit()
    if toolkit is None:
        return "Horovod is built with NCCL"
    remedy = "or load a module of an older CUDA and call ./setup.sh gpu again"
    _check_driver(int(toolkit.split(".")[0]), "Horovod", remedy)
    return f"Horovod is built with NCCL, by CUDA {toolkit}"


def _read_toolkit() -> str | None:
    """Read which CUDA built Horovod; None where setup.sh did not build it."""
    try:
        text = (Path(sys.prefix) / TOOLKIT_OF_HOROVOD).read_text().strip()
    except OSError:
        return None
    return text if re.fullmatch(r"\d+\.\d+", text) else None


def _check_driver(cuda: int, user: str, remedy: str) -> None:
    """Raise InputError where the driver that is loaded is older than a CUDA of this number wants."""
    driver, oldest = read_driver(), OLDEST_DRIVERS.get(cuda)
    if driver is None or oldest is None or driver >= oldest:
        return
    raise InputError(
        f"{user} is built with CUDA {cuda}, which wants driver {oldest} or later; this node has {driver}: ask for a "
        f"newer driver, {remedy}"
    )


def describe_route() -> str:
    """Say in a line where a training computes on this node, and how its workers exchange gradients."""
    try:
        gpus = count_usable_gpus()
        if not gpus:
            return "the cores: no GPU that this process may use"
        find_cuda()
    except InputError:
        return "none that works, see GPUs and CUDA above"
    try:
        find_nccl()
    except InputError:
        return f"{gpus} GPUs, NCCL lacks or cannot work, see above"
    return f"{gpus} GPUs, gradients through NCCL"
