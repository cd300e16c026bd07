"""Finding and naming the worker that failed."""

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ipyparallel.error import RemoteError

from bigearth.errors import InputError, Interrupted, Readable
from bigearth.installation import check_keras, check_python_path

ECHO_SECONDS = 15  # from "a peer is gone" on the other ranks to the launcher's word which one
SHOWN_LINES = 15  # of a launcher's log in a message
PASSED_ON = {
    "InputError": InputError,
    "Interrupted": Interrupted,
}  # a worker's exceptions that a notebook reads as such
# why a job waits that will never start: it asks for more than the partition gives, yet Slurm has accepted it
WAITS_FOREVER = ("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints")


class WorkerError(Readable):
    """A worker failed; the message names its rank and holds its traceback."""


def raise_first_failure(calls: Sequence[Any], launcher: subprocess.Popen, log: Path, size: int) -> None:
    """Raise what a worker raised, or say whose process ended; return where nothing has failed.

    Parameters
    ----------
    calls : sequence of ipyparallel.AsyncResult
        One per worker, in rank order.
    launcher : subprocess.Popen
        That started the workers.
    log : Path
        What launcher and workers wrote.
    size : int
        Number of workers.

    Raises
    ------
    WorkerError
        A worker raised an exception or its process ended.
    InputError, Interrupted
        A worker raised this.
    """
    failed = _wait_for_cause(calls, launcher)
    ended = launcher.poll() is not None
    # a worker that only noticed the loss of another one comes last
    failed.sort(key=lambda item: is_echo(item[1]))
    for rank, error in failed:
        if is_echo(error) and ended:
            continue
        if isinstance(error, RemoteError) and error.ename != "EngineError":
            _raise_remote(rank, error, size)
    if failed or ended:
        dead = find_dead_rank(read_log(log)) or _guess_dead_rank(failed, size)
        shown = read_log(log, SHOWN_LINES)
        raise WorkerError(f"rank {dead} of {size}: the process ended (launcher's code {launcher.poll()}):\n{shown}")


def _guess_dead_rank(failed: list[tuple[int, Exception]], size: int) -> str:
    """Return the rank that ended where the launcher named none; "?" where nothing tells."""
    if failed:
        return str(failed[0][0])
    return "0" if size == 1 else "?"


def _wait_for_cause(calls: Sequence[Any], launcher: subprocess.Popen) -> list[tuple[int, Exception]]:
    """Return (rank, error) of the failed calls.

    The other workers report first that one is gone; the launcher or that worker itself says a little later which one.
    """
    deadline = time.monotonic() + ECHO_SECONDS
    while True:
        ended = launcher.poll() is not None
        failed = _list_failed(calls)
        only_echoes = failed and all(is_echo(error) for _, error in failed)
        if not only_echoes or ended or time.monotonic() > deadline:
            return failed
        time.sleep(0.2)


def _list_failed(calls: Sequence[Any]) -> list[tuple[int, Exception]]:
    failed = []
    for rank, call in enumerate(calls):
        if call.ready() and not call.successful():
            failed.append((rank, call.exception()))
    return failed


def _raise_remote(rank: int, error: RemoteError, size: int) -> None:
    if error.ename in PASSED_ON:
        raise PASSED_ON[error.ename](error.evalue) from None
    if is_echo(error):  # its message is all that helps
        raise WorkerError(f"rank {rank} of {size}: {error.evalue}") from None
    without_colours = re.sub(r"\x1b\[[\d;]*m", "", error.traceback or "")
    frames = []
    for frame in without_colours.split("\n\n")[1:]:
        if not frame.startswith("File <string>:1"):  # ipyparallel's own
            frames.append(frame)
    trace = "\n\n".join(frames)
    hint = find_hint(error.ename)
    raise WorkerError(f"rank {rank} of {size}: {error.ename}: {error.evalue}{hint}\n\n{trace}") from None


def find_hint(words: str) -> str:
    """Return what may lie behind an error, in parentheses; empty where nothing is known.

    Parameters
    ----------
    words : str
        The error's name, or a log that holds it.
    """
    if "ImportError" in words or "ModuleNotFoundError" in words:
        try:
            check_python_path()
            check_keras()
        except InputError as error:
            return f" ({error})"
    return ""


def is_echo(error: Exception) -> bool:
    """Whether a worker only noticed that another one is gone."""
    return getattr(error, "ename", "") == "Stalled"


def find_dead_rank(log: str) -> str | None:
    """Find the rank whose process ended in what srun, mpiexec or horovodrun wrote; None where they named none."""
    one, several = r"(?:process rank|task) (\d+)", r"tasks (\d+)"
    killed = r".*(?:Killed|Out Of Memory)"
    # the one that was killed comes first: the launcher ends the others because of it; horovodrun names the process
    for pattern in (one + killed, several + killed, one, several, r"Process name: (\d+)"):
        found = re.search(pattern, log)
        if found:
            return found[1]
    return None


def read_log(path: Path, last: int | None = None) -> str:
    """Return the last lines (None: all) of a launcher's log, without ipyparallel's own."""
    lines = []
    for line in path.read_text(errors="replace").splitlines():
        if line.strip("- ") and "[IPEngine" not in line:
            lines.append(line)
    if last is not None:
        lines = lines[-last:]
    return "\n".join(lines)


def check_queued_job(job: str) -> None:
    """Raise InputError where Slurm has accepted a job that will never start; otherwise wait a second."""
    command = ["squeue", "-h", "-j", job, "-o", "%r"]
    reason = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    if reason in WAITS_FOREVER:
        raise InputError(
            f"Slurm will never start a job for these workers ({reason}): take fewer, or change the site's profile"
        )
    time.sleep(1)  # not to bother the scheduler
