"""What the tests' workers do, and the program that a job runs: start workers, let them do it, print what came back."""

import json
import os
import sys
import time

from bigearth import engines


def where():
    """This worker's place, as Slurm, MPI and Horovod see it."""
    import horovod.tensorflow as hvd

    hvd.init()
    gpu, node = os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("SLURMD_NODENAME")
    return {"rank": hvd.rank(), "size": hvd.size(), "node": node, "gpu": gpu, "cores": len(os.sched_getaffinity(0))}


def wait_for_ever(folder):
    """Announce this worker's process, then wait as in an all-reduce that never ends."""
    from mpi4py import MPI

    rank = MPI.COMM_WORLD.Get_rank()
    with open(f"{folder}/rank{rank}", "w") as announcement:
        announcement.write(str(os.getpid()))
    print(f"rank {rank} waits", flush=True)
    MPI.COMM_WORLD.barrier()
    if rank:
        MPI.COMM_WORLD.recv(source=0)
    time.sleep(3600)


if __name__ == "__main__":
    launcher, workers, name, *arguments = sys.argv[1:]
    began = time.monotonic()
    with engines.start(json.loads(workers), launcher) as group:
        print(f"started in {time.monotonic() - began:.1f} s", flush=True)
        function = {"where": where, "wait_for_ever": wait_for_ever}[name]
        # the class of a function of __main__ would not be found on the workers
        import on_ranks

        print(json.dumps(group.run(getattr(on_ranks, function.__name__), **dict(a.split("=") for a in arguments))))
