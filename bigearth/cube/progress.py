"""How far the writing of a cube is."""

from pathlib import Path

from bigearth.cube.reading import open_cube
from bigearth.cube.unfinished import UnfinishedCube
from bigearth.errors import InputError


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
