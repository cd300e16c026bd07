"""Which worker failed, and why."""

import re
import subprocess
import time

from bigearth.cluster import profiles
from bigearth.errors import InputError, Readable


class WorkerError(Readable):
    """A worker failed; the message names its rank and holds its traceback."""


def is_echo(error):
    return getattr(error, "ename", "") == "HorovodInternalError"


def dead_rank(log):
    """Rank whose process ended, from what srun, mpiexec or horovodrun wrote; None where they named none."""
    one, several = r"(?:process rank|task) (\d+)", r"tasks (\d+)"
    # who was killed comes first: the launcher ends the others because of it
    for pattern in (f"{one}.*(?:Killed|Out Of Memory)", f"{several}.*(?:Killed|Out Of Memory)", one, several):
        if found := re.search(pattern, log):
            return found[1]
    found = re.search(r"Process name: (\d+)", log)  # horovodrun
    return found[1] if found else None


def check_queued(job):
    """Refuse to wait for a job that Slurm has accepted but will never start."""
    reason = subprocess.run(["squeue", "-h", "-j", job, "-o", "%r"], capture_output=True, text=True).stdout.strip()
    if reason in profiles.NEVER:
        raise InputError(
            f"Slurm will never start a job for these workers ({reason}): take fewer, or change the site's profile"
        )
    time.sleep(1)  # not to bother the scheduler
