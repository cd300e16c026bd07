"""Start the ranks and map products, one after the other: what the notebook and the command call."""

from functools import partial
from pathlib import Path

from bigearth.cluster import engines
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.mapping.maps import find_map, measure_progress, write_map
from bigearth.mapping.outputs import Map, read_map
from bigearth.mapping.scene import find_products, name_product
from bigearth.mapping.trained import read_run
from bigearth.progress import Progress


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
            with Progress(f"mapping {name_product(product)[:44]}") as progress:  # up to the name of the tile
                group.run(
                    write_map,
                    watch=partial(watch_map, progress, product, run, results),
                    run=str(run),
                    product=str(product),
                    results=str(results),
                    stride=stride,
                    threshold=threshold,
                    offset=offset,
                    masked_from=masked_from,
                    weights=weights,
                )
                if progress.total:  # a finished map has no journal any more
                    progress.reach(progress.total)
    return [read_map(folder) for folder in folders]


def watch_map(progress: Progress, product: Path, run: Path, results: Path) -> None:
    """Show how much of a map the ranks have journaled."""
    unit, done, total = measure_progress(product, run, results)
    if total:
        progress.reach(done, total, unit)
