"""How far the writing of a cube is, and a bar that shows it in a notebook."""

import io
from pathlib import Path

from IPython.display import display
from tqdm import tqdm

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


class ProgressBar:
    """A bar of the rows of a cube that are written; each call redraws it.

    One output is drawn anew, so that an executed notebook keeps the last state only.

    Parameters
    ----------
    path : Path
        Of the cube.
    rows : int
        That the cube will have.
    """

    def __init__(self, path: Path, rows: int):
        self.path = path
        self.bar = tqdm(total=rows, unit="patch", desc="writing", file=io.StringIO(), ascii=" #")
        self.shown = display({"text/plain": str(self.bar)}, raw=True, display_id=True)

    def __call__(self) -> None:
        written, _ = count_written(self.path)
        if written and not self.bar.n:
            self.bar.reset()  # the clock starts with the first patch
            self.bar.initial = written
        self.bar.n = max(written, self.bar.n)
        if self.shown is not None:
            self.shown.update({"text/plain": str(self.bar)}, raw=True)
