"""Files and folders: where relative paths start, and a lock on a path."""

import fcntl
from contextlib import contextmanager
from pathlib import Path

from bigearth.errors import InputError


@contextmanager
def locked(folder):
    """Hold the folder of an unfinished cube; InputError where another run holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # the kernel lets go of the lock when its holder dies, however it dies
        stream = open(folder / "lock", "w")
    except OSError as error:
        raise InputError(f"cube {folder} cannot be written ({error.strerror}): give another path") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"cube {folder} is being written by another run: wait for it, or end it") from None
        except OSError as error:
            raise InputError(
                f"cube {folder}: its file system does not lock files ({error.strerror}): give a path on one that does"
            ) from None
        yield


ROOT = Path(__file__).resolve().parent.parent


def resolve(path):
    """Absolute form of a path parameter; a relative one is taken from the project's folder.

    Parameters
    ----------
    path : str or Path
        A leading ``~`` is the home folder.

    Returns
    -------
    Path
    """
    return ROOT / Path(path).expanduser()
