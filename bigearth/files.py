"""Paths that start at the project's folder, locks, and files that are written whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bigearth.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
PATH_LENGTH = 4000  # characters; Linux takes 4096 bytes
NAME_LENGTH = 255  # bytes of each name in a path


def resolve(path: str | Path) -> Path:
    """Make a path parameter absolute; a relative one starts at the project's folder, ``~`` is the home folder.

    Raises
    ------
    InputError
        The path is empty, which would be the project's folder itself; the home folder of ``~name`` is unknown; or the
        path holds a zero byte or is too long.
    """
    text = str(path)
    if not text.strip() or "\0" in text:
        raise InputError(f"a path is {text!r}: give the path of a file or folder")
    if len(text) > PATH_LENGTH or any(len(os.fsencode(name)) > NAME_LENGTH for name in Path(text).parts):
        raise InputError(f"the path {text[:60]}... is longer than a file system takes: give a shorter one")
    try:
        return ROOT / Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"path {text}: this machine knows no such user's home folder; give the whole path") from None


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock while the block runs.

    Parameters
    ----------
    path : Path
        The lock file; created with its folder where absent, never emptied. The kernel releases the lock when its
        holder dies.
    what : str
        What the lock protects, for messages: "cube scratch/cube.h5".

    Raises
    ------
    InputError
        Another process holds the lock, the file cannot be created, or its file system has no locks.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # never through a link: its target belongs to somebody else
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise InputError(f"{what}: {path} cannot be written ({error.strerror}); choose another path") from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{what} is in use by another process ({path}): wait for it, or end it") from None
        except OSError as error:
            raise InputError(
                f"{what}: the file system of {path.parent} has no file locks ({error.strerror}); choose another path"
            ) from None
        yield
    finally:
        os.close(file)


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields the path of a temporary file with the same suffix in the same folder, which is created where absent. When
    the block ends well that file replaces ``path``; when it fails the file is removed and ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a file or folder to ``<name>.old``, or ``<name>.old2`` ... where that exists; the new path."""
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.old{number if number > 1 else ''}")
        if not aside.exists() and not aside.is_symlink():
            return path.rename(aside)
        number += 1
