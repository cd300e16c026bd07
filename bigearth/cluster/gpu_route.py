"""Find which way of using GPUs works on this node, and what it lacks: GPUs, driver, TensorFlow's CUDA, Horovod's NCCL.

Each check returns what it found, in words, or raises InputError with the remedy. Without a GPU none of them is slow.
"""

import os
import re
import shutil
import subprocess
import sys
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


def find_cuda() -> str:
    """Describe TensorFlow's CUDA, and check on a node with GPUs that it sees them."""
    import tensorflow as tf

    build = tf.sysconfig.get_build_info()
    if not build["is_cuda_build"]:
        raise InputError(f"this TensorFlow is built for cores alone: {REMEDY}")
    cuda = build["cuda_version"]
    _check_driver(int(cuda.split(".")[0]), "TensorFlow")
    given = machine.list_visible_gpus(machine.list_gpus())
    if not given:
        return f"{cuda}, not tried: no GPU here"
    seen = tf.config.list_physical_devices("GPU")
    if not seen:
        raise InputError(
            f"TensorFlow is built with CUDA {cuda}, but sees none of {len(given)} GPUs: its libraries cannot be loaded "
            "(TF_CPP_MIN_LOG_LEVEL=0 python -c 'import tensorflow as tf; tf.config.list_physical_devices()' names "
            "them); unset LD_LIBRARY_PATH, which may lead to those of another CUDA, or repeat ./setup.sh gpu"
        )
    return f"{cuda}, TensorFlow sees {len(seen)} GPUs"


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
    _check_driver(int(toolkit.split(".")[0]), "Horovod")
    return f"Horovod is built with NCCL, by CUDA {toolkit}"


def _read_toolkit() -> str | None:
    """Read which CUDA built Horovod; None where setup.sh did not build it."""
    try:
        text = (Path(sys.prefix) / TOOLKIT_OF_HOROVOD).read_text().strip()
    except OSError:
        return None
    return text if re.fullmatch(r"\d+\.\d+", text) else None


def _check_driver(cuda: int, user: str) -> None:
    """Raise InputError where the driver that is loaded is older than a CUDA of this number wants."""
    driver, oldest = read_driver(), OLDEST_DRIVERS.get(cuda)
    if driver is None or oldest is None or driver >= oldest:
        return
    raise InputError(
        f"{user} is built with CUDA {cuda}, which wants driver {oldest} or later; this node has {driver}: ask for a "
        "newer driver, or load a module of an older CUDA and repeat ./setup.sh gpu"
    )
