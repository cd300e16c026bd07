"""Worker-side setup: report rank and hardware, bind cores and a GPU, end with the group."""

import ctypes
import os
import random
import signal
import socket
from typing import Any

from bigearth import machine
from bigearth.errors import InputError

PR_SET_PDEATHSIG = 1  # prctl(2): the signal that this process gets when its parent ends


def die_with_parent(sign: int = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent ends, even by kill -9: nothing is left behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(sign))


def describe_worker(messages: str | None) -> dict[str, Any]:
    """Report the rank and hardware of this worker, and make it end with its launcher.

    Parameters
    ----------
    messages : str or None
        What the workers talk by: "MPI", "Gloo", or None for a single worker.

    Returns
    -------
    dict
        rank, size (number of ranks), node (host name), cores (numbers of those that this process may run on), usable
        (how many of them at a time), gpus (hardware ids), visible (the same GPUs as CUDA_VISIBLE_DEVICES names them).

    Raises
    ------
    InputError
        CUDA_VISIBLE_DEVICES cannot be understood.
    """
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ends a worker even inside an all-reduce
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # "time is running out" concerns training alone, which listens
    rank, size = _find_rank(messages)
    visible, gpus = _find_gpus()
    return {
        "rank": rank,
        "size": size,
        "node": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "cores": sorted(os.sched_getaffinity(0)),
        "usable": machine.count_cores(),
        "gpus": gpus,
        "visible": visible,
    }


def _find_rank(messages: str | None) -> tuple[int, int]:
    if messages is None:
        return 0, 1
    if messages == "Gloo":
        return int(os.environ["HOROVOD_RANK"]), int(os.environ["HOROVOD_SIZE"])
    from mpi4py.MPI import COMM_WORLD

    return COMM_WORLD.Get_rank(), COMM_WORLD.Get_size()


def _find_gpus() -> tuple[list[str], list[str]]:
    """Return the visible GPUs as CUDA_VISIBLE_DEVICES names them, and their hardware ids.

    Where Slurm hides the other GPUs, every rank's own one is number 0: only the hardware's id tells them apart.
    """
    known = machine.list_gpus()
    visible = machine.list_visible_gpus(known)
    gpus = []
    for word in visible:
        is_number_of_known = word.isdigit() and int(word) < len(known)
        gpus.append(known[int(word)].uuid if is_number_of_known else word)
    return visible, gpus


def bind(cores: list[int] | None, gpu: str | None) -> None:
    """Keep this worker to its cores and its GPU; None leaves them as they are."""
    if cores:
        os.sched_setaffinity(0, cores)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu


def assign_pins(workers: list[dict[str, Any]], bind_cores: bool) -> list[dict[str, Any]]:
    """Decide each worker's cores and GPU.

    Parameters
    ----------
    workers : list of dict
        What `describe_worker` reported, in rank order.
    bind_cores : bool
        Whether workers of a node share its cores out among them; Slurm has done that already.

    Returns
    -------
    list of dict
        cores and gpu of every rank, as `bind` takes them.

    Raises
    ------
    InputError
        Some workers see a GPU and others none, or workers would share a GPU.
    """
    _check_same_kind(workers)
    cores_of_node: dict[str, list[int]] = {}
    if bind_cores:
        for worker in workers:
            cores_of_node.setdefault(worker["node"], _choose_cores(worker))
    pins = []
    for worker in workers:
        on_node = [other for other in workers if other["node"] == worker["node"]]
        place = on_node.index(worker)
        cores = cores_of_node.get(worker["node"], [])
        share = len(cores) // len(on_node)
        own = cores[place * share : (place + 1) * share]
        pins.append({"cores": own or None, "gpu": _assign_gpu(worker, on_node, place)})
    return pins


def _choose_cores(worker: dict[str, Any]) -> list[int]:
    """Return the cores of a worker's node that its group binds to: as many as may be used at a time.

    If a quota allows fewer cores than there are, the first one is random: other containers of the machine choose, too.
    """
    cores = worker["cores"]
    first = random.randint(0, len(cores) - worker["usable"])
    return cores[first : first + worker["usable"]]


def _check_same_kind(workers: list[dict[str, Any]]) -> None:
    """Raise InputError where only some workers see a GPU."""
    blind = [worker for worker in workers if not worker["gpus"]]
    if blind and len(blind) < len(workers):
        raise InputError(
            f"rank {blind[0]['rank']} on {blind[0]['node']} sees no GPU, {len(workers) - len(blind)} of {len(workers)} "
            'workers see one: ask for one GPU per worker, or set CUDA_VISIBLE_DEVICES="" to run on the cores'
        )


def _assign_gpu(worker: dict[str, Any], on_node: list[dict[str, Any]], place: int) -> str | None:
    """Return the GPU of a worker; None where it has none, or its own already."""
    seen = [gpu for other in on_node for gpu in other["gpus"]]
    distinct = len(set(seen))
    if distinct == len(seen):
        return None
    if worker["gpus"] == on_node[0]["gpus"] and len(worker["gpus"]) >= len(on_node):
        return worker["visible"][place]
    raise InputError(
        f"{len(on_node)} workers share {distinct} GPUs on {worker['node']} (rank {worker['rank']} sees "
        f'{worker["visible"]}): ask for one GPU per worker, or set CUDA_VISIBLE_DEVICES="" to run on the cores'
    )
