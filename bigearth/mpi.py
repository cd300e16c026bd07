"""The MPI communicator of this process's job."""

import os

from bigearth.errors import InputError


def communicator():
    """MPI's communicator of this process's job; None where MPI did not start it; InputError under horovodrun (Gloo)."""
    if not any(name in os.environ for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")):
        if "HOROVOD_RANK" in os.environ:
            raise InputError("launcher horovodrun starts workers without MPI: this needs mpi, srun or slurm")
        return None
    from mpi4py import MPI

    return MPI.COMM_WORLD
