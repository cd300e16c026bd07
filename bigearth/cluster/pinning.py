"""What a worker does to join its group: say who it is, take its cores and its GPU, never outlive the group."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess

from bigearth.errors import InputError


def die_with_parent(sign=signal.SIGTERM):
    ctypes.CDLL(None).prctl(1, int(sign))  # PR_SET_PDEATHSIG: nothing is left behind, not even by kill -9


def who(mpi):
    """Rank, size, node, cores and GPUs of this worker."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ends a worker even inside an all-reduce
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # "time is running out" concerns only who listens: training
    rank, size = 0, 1
    if mpi == "Gloo":
        rank, size = int(os.environ["HOROVOD_RANK"]), int(os.environ["HOROVOD_SIZE"])
    elif mpi:
        from mpi4py import MPI

        rank, size = MPI.COMM_WORLD.Get_rank(), MPI.COMM_WORLD.Get_size()
    query = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    uuids = subprocess.run(query, capture_output=True, text=True).stdout.split() if shutil.which(query[0]) else []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(str(i) for i in range(len(uuids))))
    visible = [gpu for gpu in chosen.split(",") if gpu not in ("", "-1")]
    # where Slurm hides the other GPUs every rank's own one is number 0: the hardware's id tells them apart
    gpus = [uuids[int(gpu)] if gpu.isdigit() and int(gpu) < len(uuids) else gpu for gpu in visible]
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    cores = sorted(os.sched_getaffinity(0))
    return {"rank": rank, "size": size, "node": node, "cores": cores, "gpus": gpus, "visible": visible}


def pin(cores, gpu):
    if cores:
        os.sched_setaffinity(0, cores)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu


def pins(who, bind):
    """Cores and GPU of every rank, from what all of them see."""
    found = []
    if blind := [w for w in who if not w["gpus"]]:
        if len(blind) < len(who):
            raise InputError(
                f"rank {blind[0]['rank']} on {blind[0]['node']} sees no GPU, {len(who) - len(blind)} of {len(who)} "
                'workers see one: ask for one GPU a worker, or set CUDA_VISIBLE_DEVICES="" to run on the cores'
            )
    for rank, me in enumerate(who):
        mates = [w for w in who if w["node"] == me["node"]]
        place = [w["rank"] for w in mates].index(rank)
        seen = [gpu for mate in mates for gpu in mate["gpus"]]
        if len(set(seen)) == len(seen):
            gpu = None  # none at all, or each its own already
        elif me["gpus"] == mates[0]["gpus"] and len(me["gpus"]) >= len(mates):
            gpu = me["visible"][place]
        else:
            raise InputError(
                f"{len(mates)} workers share {len(set(seen))} GPUs on {me['node']} (rank {rank} sees {me['visible']}): "
                'ask for one GPU a worker, or set CUDA_VISIBLE_DEVICES="" to run on the cores'
            )
        share = len(me["cores"]) // len(mates)
        found.append(
            {"cores": me["cores"][place * share : (place + 1) * share] if bind and share else None, "gpu": gpu}
        )
    return found
