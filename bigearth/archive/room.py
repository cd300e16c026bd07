"""Room for an archive: bytes and files that its file system and the user's quotas still take."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from bigearth.errors import InputError

_SECONDS = 10  # for a quota command to answer
_COLUMNS = 8  # kilobytes, soft limit, hard limit, grace; the same of files


class Room(NamedTuple):
    """Bytes and files (folders count as files) that can still be written, and what limits each."""

    bytes: float
    files: float
    bytes_limit: str
    files_limit: str


def check_room(folder: Path, needed_bytes: int, needed_files: int, remedy: str) -> None:
    """Refuse to begin what cannot be finished.

    Parameters
    ----------
    folder : Path
        Need not be there yet.
    needed_bytes, needed_files : int
    remedy : str
        What to do, for the message.

    Raises
    ------
    InputError
        The disk, its inodes or a quota are too small.
    """
    room = find_room(folder)
    if room.bytes < needed_bytes:
        left = max(0, room.bytes) / 1e9
        raise InputError(
            f"{folder} needs {needed_bytes / 1e9:.0f} GB, {room.bytes_limit} leaves {left:.1f} GB: {remedy}"
        )
    if room.files < needed_files:
        raise InputError(
            f"{folder} needs {needed_files:,} files and folders, {room.files_limit} leaves {max(0, room.files):,.0f}: "
            f"{remedy}"
        )


def find_room(folder: Path) -> Room:
    """Find what the file system of a folder, and the quotas of its user and group there, still take."""
    while not folder.exists():
        folder = folder.parent
    state = os.statvfs(folder)
    # some file systems do not count inodes, and say 0
    files = float(state.f_favail) if state.f_files else float("inf")
    found = [("the disk", float(state.f_bavail * state.f_frsize), files)]
    for option in ("-u", "-g"):
        found.append(
            (f"the quota (lfs quota {option})", *_ask(["lfs", "quota", "-q", option, _name(option), str(folder)]))
        )
        found.append(
            (f"the quota (quota {option})", *_ask(["quota", "-p", "-w", option, "-f", str(_find_mount(folder))]))
        )
    bytes_limit, bytes_left, _ = min(found, key=lambda one: one[1])
    files_limit, _, files_left = min(found, key=lambda one: one[2])
    return Room(bytes_left, files_left, bytes_limit, files_limit)


def _name(option: str) -> str:
    return str(os.getuid() if option == "-u" else os.getgid())


def _find_mount(folder: Path) -> Path:
    folder = folder.resolve()
    while not folder.is_mount():
        folder = folder.parent
    return folder


def _ask(command: list[str]) -> tuple[float, float]:
    """Bytes and files that a quota leaves, by the command that tells it; infinite where there is no such quota."""
    unlimited = float("inf"), float("inf")
    if shutil.which(command[0]) is None:
        return unlimited
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return unlimited
    left = [unlimited]
    for line in told.splitlines():
        columns = line.split()[-_COLUMNS:]
        numbers = [column.rstrip("*") for column in columns]
        if len(numbers) == _COLUMNS and all(numbers[i].isdigit() for i in (0, 1, 2, 4, 5, 6)):
            kilobytes, files = _left(numbers[0:3]), _left(numbers[4:7])
            left.append((1024 * kilobytes, files))
    return min(one for one, _ in left), min(one for _, one in left)


def _left(numbers: list[str]) -> float:
    """What is left of used, soft and hard limit; 0 as a limit: none."""
    used, soft, hard = map(int, numbers)
    limits = [limit for limit in (soft, hard) if limit]
    return min(limits) - used if limits else float("inf")
