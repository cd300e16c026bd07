"""How far the writing of a cube is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bigearth.cube.reading import open_cube
from bigearth.cube.unfinished import UnfinishedCube
from bigearth.errors import InputError
from bigearth.progress import Progress


def count_written(path: str | Path) -> tuple[int, int]:
    """Count the rows that are written, and the rows in all, of a cube; (0, 0) where it is not begun.

    Parameters
    ----------
    path : str or Path
        Of the cube.
    """
    path = Path(path)
    begun = UnfinishedCube(path).count_rows()
    if begun is not None:
        return begun
    try:
        cube = open_cube(path)
    except InputError:
        return 0, 0
    n = sum(len(rows) for rows in cube.rows.values())
    return n, n


@contextmanager
def show_writing(path: Path, rows: int) -> Iterator[Callable[[], None]]:
    """Show how many of a cube's rows are written; call what is yielded about once a second."""

    def show() -> None:
        written, _ = count_written(path)
        if written:
            progress.reach(max(written, int(progress.done)), rows, "patch")

    with Progress(f"writing {path.name}") as progress:
        progress.say("waiting for the ranks")
        yield show
