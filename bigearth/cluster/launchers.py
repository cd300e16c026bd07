"""How each launcher starts workers: its command line and its environment."""

import os
import shutil
import sys
from pathlib import Path

from bigearth import machine
from bigearth.cluster.allocation import Allocation
from bigearth.cluster.mpi_library import check_mpi
from bigearth.cluster.profiles import Profile
from bigearth.errors import InputError
from bigearth.files import ROOT


def build_command(kind: str, workers: int, profile: Profile, allocation: Allocation) -> list[str]:
    """Return what the engines' own command line is prefixed with.

    Parameters
    ----------
    kind : str
        "mpi", "srun", "slurm" or "horovodrun".
    workers : int
    profile : Profile
    allocation : Allocation
        That this process runs in.

    Raises
    ------
    InputError
        The launcher's program is not here, or is of another MPI than mpi4py's; the site's image is not there.
    """
    if kind == "mpi" and workers == 1:
        return []
    if kind == "slurm":
        profile.check_image()
        command = profile.srun_command(workers)
    elif kind == "srun":
        command = _build_srun(workers, profile, allocation)
    elif kind == "horovodrun":
        command = _build_horovodrun(workers)
    else:
        # the workers bind themselves (pinning): they know what this process may use
        command = ["mpiexec", "-n", str(workers), "--bind-to", "none", "--oversubscribe"]
        command += ["-x", "IPP_CONNECTION_INFO", "-x", "PYTHONPATH"]
    if not shutil.which(command[0]):
        if kind == "horovodrun":
            raise InputError(
                'launcher "horovodrun" comes with Horovod, which is not installed here: choose "mpi" or "srun", whose '
                "workers can do without it, or run ./setup.sh"
            )
        raise InputError(
            f"launcher {kind!r}: {command[0]} was not found; `python -m bigearth doctor` says what is here"
        )
    if kind == "mpi":
        check_mpi()
    return command


def _build_srun(workers: int, profile: Profile, allocation: Allocation) -> list[str]:
    command = ["srun", f"--mpi={profile.mpi}", "--overlap", "--kill-on-bad-exit=1", "--ntasks", str(workers)]
    cores = os.environ.get("SLURM_CPUS_PER_TASK")  # srun itself does not read it
    if cores:
        command += ["--cpus-per-task", cores]
    if allocation.tasks is not None and workers < allocation.tasks:  # filled node by node, not scattered over all
        nodes = -(-workers * allocation.nodes // allocation.tasks)
        command += ["--nodes", str(nodes)]
    return command


def _build_horovodrun(workers: int) -> list[str]:
    programs = Path(sys.executable).parent
    script = shutil.which("horovodrun", path=f"{programs}:{os.environ['PATH']}") or "horovodrun"
    return [script, "--gloo", "-np", str(workers), "-H", f"localhost:{workers}"]


def build_environment(kind: str, workers: int, profile: Profile) -> dict[str, str]:
    """Return the environment variables of the launcher and its workers."""
    environment = dict(os.environ)
    before = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{before}" if before else str(ROOT)
    environment["OMPI_MCA_mpi_yield_when_idle"] = "1"  # Horovod's polling thread would take a third of each core
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if kind in ("mpi", "horovodrun"):
        threads = max(1, machine.count_cores() // workers)
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    if os.getuid() == 0:
        environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    if profile.name:
        environment |= profile.job_environment()
    return environment
