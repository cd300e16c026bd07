"""The folder of a group of workers: its keys and logs, for this user alone, removed with the group.

If the whole machine goes down, the folder stays until the next start removes it. Only files that a group writes are
removed.
"""

import json
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

import psutil

from bigearth.errors import InputError

OWNER = "owner.json"  # names the process that the folder belongs to
WRITTEN = ("security", "log", "pid", "startup", "static", "db", "tasks")  # by ipyparallel
LOGS = "log-*.txt"
PREFIX = "engines-"
CLOCK_SECONDS = 1  # by which two readings of a process's start may differ


def make_folder(parent: Path | None = None) -> Path:
    """Make the folder of a new group, mode 0700, and remove those of groups whose process is dead.

    Parameters
    ----------
    parent : Path or None
        A folder that all nodes see; None: this machine's own temporary folder.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    if parent is None:
        parent = Path(tempfile.gettempdir())
    try:
        parent.mkdir(exist_ok=True)
        for folder in parent.glob(f"{PREFIX}*"):
            if _is_stale(folder):
                remove_folder(folder)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        (folder / OWNER).write_text(json.dumps(_describe_process()))
    except OSError as error:
        raise InputError(
            f"{parent}, the folder of the workers' keys and logs, cannot be written ({error.strerror}): make room or "
            "change its permissions; the folder of one machine is chosen by TMPDIR"
        ) from None
    return folder


def remove_folder(folder: Path) -> None:
    """Remove what a group has written in its folder, and the folder where nothing else is in it."""
    for path in [*(folder / name for name in WRITTEN), *folder.glob(LOGS), folder / OWNER]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:
        pass  # removed already, or something that is not ours is in it


def _describe_process() -> dict[str, str | int | float]:
    process = psutil.Process()
    return {
        "host": socket.gethostname(),
        "processes": os.readlink("/proc/self/ns/pid"),  # a container numbers its processes anew
        "pid": process.pid,
        "started": process.create_time(),
    }


def _is_stale(folder: Path) -> bool:
    """Whether a folder was made by a group of this user, on this machine, whose process is dead."""
    try:
        entry = folder.lstat()
        is_own = stat.S_ISDIR(entry.st_mode) and entry.st_uid == os.getuid()
        if not is_own or not stat.S_ISREG((folder / OWNER).lstat().st_mode):
            return False
        owner = json.loads((folder / OWNER).read_text())
        here = _describe_process()
        if owner["host"] != here["host"] or owner["processes"] != here["processes"]:
            return False
        try:
            started = psutil.Process(owner["pid"]).create_time()
        except psutil.NoSuchProcess:
            return True
        return abs(started - owner["started"]) > CLOCK_SECONDS  # the number has gone to another process
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return False
