"""How each launcher starts workers: its command line, environment and address, and how many there would be."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from bigearth.cluster import profiles
from bigearth.errors import InputError
from bigearth.files import ROOT

LAUNCHERS = ("mpi", "srun", "slurm", "horovodrun")


def count(workers=None, launcher="mpi", exact=True):
    """Number of workers that `engines.start` would start with these parameters; it raises the same `InputError`."""
    kind = launcher.partition(":")[0]
    if kind not in LAUNCHERS:
        raise InputError(f"launcher is {launcher!r}; choose one of {', '.join(LAUNCHERS)}")
    allocation = int(os.environ.get("SLURM_NTASKS", 1)) if "SLURM_JOB_ID" in os.environ else None
    if kind == "srun" and not allocation:
        raise InputError('launcher "srun" needs a Slurm allocation; choose "mpi" here, or "slurm" for a job of its own')
    if kind == "slurm" and allocation:
        raise InputError('launcher "slurm" inside an allocation would wait for ever for a second one; choose "srun"')
    if kind == "horovodrun" and int(os.environ.get("SLURM_JOB_NUM_NODES", 1)) > 1:
        raise InputError('launcher "horovodrun" works on one node, not on several; choose "srun"')
    if workers is None:
        if kind == "slurm":
            raise InputError('launcher "slurm" needs a number of workers: they decide how large a job it asks for')
        workers = allocation or len(os.sched_getaffinity(0))
    if workers < 1:
        raise InputError(f"workers is {workers}; at least 1 is needed")
    if kind == "srun" and (workers > allocation or exact and workers != allocation):
        raise InputError(
            f"workers is {workers} but the allocation has {allocation} tasks; give null to use all of them"
        )
    return workers


def command(kind, workers, profile):
    """What the engine's own command line is prefixed with."""
    if kind == "mpi" and workers == 1:
        return []
    if kind == "slurm":
        words = profiles.srun(profile, workers)
    elif kind == "srun":
        cores = os.environ.get("SLURM_CPUS_PER_TASK")  # srun itself does not read it
        words = ["srun", f"--mpi={os.environ.get('SLURM_MPI_TYPE', 'pmix')}", "--overlap", "--kill-on-bad-exit=1"]
        words += ["--ntasks", str(workers), *(["--cpus-per-task", cores] if cores else [])]
        # fewer than the allocation has: filled node by node, not scattered over all
        tasks, nodes = (int(os.environ.get(name, 1)) for name in ("SLURM_NTASKS", "SLURM_JOB_NUM_NODES"))
        words += ["--nodes", str(-(-workers * nodes // tasks))] if workers < tasks else []
    elif kind == "horovodrun":
        script = shutil.which("horovodrun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        words = [script or "horovodrun", "--gloo", "-np", str(workers), "-H", f"localhost:{workers}"]
    else:
        # binding is done by workers.pin, which knows what this process may use
        words = ["mpiexec", "-n", str(workers), "--bind-to", "none", "--oversubscribe"]
        words += ["-x", "IPP_CONNECTION_INFO", "-x", "PYTHONPATH"]
    if not shutil.which(words[0]):
        raise InputError(f"launcher {kind!r}: {words[0]} was not found; `python -m bigearth doctor` says what is here")
    return words


def environment(workers, kind):
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])
    env["OMPI_MCA_mpi_yield_when_idle"] = "1"  # Horovod's polling thread would take a third of each core
    env.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if kind in ("mpi", "horovodrun"):
        env.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // workers)))
    if os.getuid() == 0:
        env |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return env


def address(profile):
    """The address at which other nodes reach the controller."""
    # a site's profile names the fast network; inside a job, NCCL has been told the same
    interface = profile.get("interface") or os.environ.get("NCCL_SOCKET_IFNAME", "")
    if interface and not interface.startswith("^"):  # NCCL: all but these
        # NCCL takes several names, by their beginnings, or in full after "="
        exact, prefixes = interface.startswith("="), tuple(interface.lstrip("=").split(","))
        for name, addresses in psutil.net_if_addrs().items():
            if name in prefixes if exact else name.startswith(prefixes):
                for known in addresses:
                    if known.family == socket.AF_INET:
                        return known.address
        raise InputError(
            f"network interface {interface} has no IPv4 address on this node: interface in the site's profile, "
            "or NCCL_SOCKET_IFNAME"
        )
    node = os.environ.get("SLURMD_NODENAME")
    if node:
        shown = subprocess.run(["scontrol", "show", "node", "-o", node], capture_output=True, text=True).stdout
        known = re.search(r"NodeAddr=(\S+)", shown)
        return socket.gethostbyname(known[1] if known else node)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: asks which address packets would leave from
        return probe.getsockname()[0]
