"""Where relative paths start: at the project's folder, wherever a notebook runs."""

from pathlib import Path

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
