"""Start the ranks and map products, one after the other: what the notebook and the command call."""

import io
import sys
from pathlib import Path

from IPython import get_ipython
from IPython.display import display
from tqdm import tqdm

from bigearth.cluster import engines
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.mapping.maps import find_map, measure_progress, write_map
from bigearth.mapping.outputs import Map, read_map
from bigearth.mapping.scene import find_products, name_product
from bigearth.mapping.trained import read_run


def map_products(
    run: str | Path,
    products: list[str] | list[Path],
    results: str | Path,
    workers: int | None = 2,
    launcher: str = "mpi",
    stride: int = 1200,
    threshold: float | None = None,
    offset: int | None = None,
    masked_from: float = 0.5,
    weights: str = "",
) -> list[Map]:
    """Map products with a finished run, and show the progress.

    Parameters
    ----------
    run : path
        Folder of the run.
    products : list of path
        Each a product, or a folder of products (see `bigearth.mapping.scene.find_products`).
    results : path
        Receives one folder per product.
    workers, launcher
        See `bigearth.cluster.engines.start`.
    stride, threshold, offset, masked_from, weights
        See `bigearth.mapping.maps.write_map`.

    Returns
    -------
    list of Map
        In the order of the products.

    Raises
    ------
    InputError
        A parameter or product cannot be used; what was mapped before it stays.
    """
    run, results = resolve(run), resolve(results)
    read_run(run, threshold)
    found: list[Path] = []
    for product in products:
        found += find_products(resolve(product))
    folders = [find_map(product, run, results) for product in found]
    if len(set(folders)) < len(folders):
        twice = next(folder for folder in folders if folders.count(folder) > 1)
        raise InputError(f"two products would become the map {twice}: map them into two folders of results")
    with engines.start(workers, launcher) as group:
        for product in found:
            progress = Progress(product, run, results)
            group.run(
                write_map,
                watch=progress.show,
                run=str(run),
                product=str(product),
                results=str(results),
                stride=stride,
                threshold=threshold,
                offset=offset,
                masked_from=masked_from,
                weights=weights,
            )
            progress.finish()
    return [read_map(folder) for folder in folders]


class Progress:
    """A progress bar of one map: in a notebook an output that is redrawn, elsewhere a line on the terminal."""

    def __init__(self, product: Path, run: Path, results: Path) -> None:
        self.arguments = product, run, results
        self.in_notebook = get_ipython() is not None
        file = io.StringIO() if self.in_notebook else sys.stderr
        self.bar = tqdm(total=0, unit="patch", desc=name_product(product)[:40], file=file, ascii=" #", mininterval=0)
        if self.in_notebook:
            self.output = display({"text/plain": str(self.bar)}, raw=True, display_id=True)

    def show(self) -> None:
        """Redraw the bar from what the ranks have journaled."""
        unit, done, total = measure_progress(*self.arguments)
        if not total:
            return
        if self.bar.total != total or self.bar.unit != unit:
            self.bar.unit = unit
            self.bar.reset(total)  # the clock starts with the first of its kind; what was there before is no speed
            self.bar.initial = done
        self.bar.n = done
        self._draw()

    def finish(self) -> None:
        """Show a full bar."""
        self.bar.n = self.bar.total
        self._draw()
        self.bar.close()

    def _draw(self) -> None:
        self.bar.refresh()
        if self.in_notebook:
            self.output.update({"text/plain": str(self.bar)}, raw=True)
