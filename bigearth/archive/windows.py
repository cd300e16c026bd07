"""Windows of tiles: patches cut from Sentinel-2 L2A products."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from osgeo import gdal

from bigearth.archive.products import Tile, find_tiles
from bigearth.archive.tile_pixels import cache_bytes, locate, open_bands, read_window
from bigearth.errors import InputError
from bigearth.patch import NODATA, PATCH_METRES, PIXELS, RESOLUTION

gdal.UseExceptions()

_SOURCE = re.compile(r"(S2[A-D])_MSIL\d[AC]_(\d{8}T\d{6})_.*?_(T\d\d[A-Z]{3})(?:_|\b)")

_GRID = max(RESOLUTION.values())  # m: a window of all bands starts on the grid of the coarsest
# Windows of a row are read at once across gaps of up to 9 patches, about a block of a product's JPEG 2000, which is
# decoded anyway.
_GAP = 9 * PATCH_METRES // _GRID
_PATCHES_AT_ONCE = 23  # two megabytes at 10 m, which stay in the processor's cache


@dataclass(frozen=True)
class TileWindows:
    """Windows to be cut from one tile, in raster order.

    Attributes
    ----------
    tile : Tile
    rows : (n,) int array
        Positions of the patches in the table.
    corners : (n, 2) int array
        Upper left corners (column, row) in pixels of 60 m.
    names : (n,) array of str
        Names of the patches, for messages.
    """

    tile: Tile
    rows: np.ndarray
    corners: np.ndarray
    names: np.ndarray

    def choose(self, positions: np.ndarray) -> "TileWindows":
        """Return the windows at these positions, which must ascend."""
        return TileWindows(self.tile, self.rows[positions], self.corners[positions], self.names[positions])


def find_windows(folder: str | Path, table: pd.DataFrame) -> list[TileWindows]:
    """Find the tile and the window of every patch, and check all of them before anything is read.

    Where several granules are of one tile and time, each patch comes from the one that covers most of it, among equals
    from the newest processing baseline.

    Parameters
    ----------
    folder : Path or str
        Holds the products.
    table : DataFrame [patch, x, y, epsg, tile_source]
        Upper left corners in metres. ``tile_source`` names the product that a patch was cut from, of level 1C as in
        the archive's JSON or of 2A; without this column the patch's own name has to (as in v2.0).

    Returns
    -------
    list of TileWindows
        Most patches first.

    Raises
    ------
    InputError
        A column or product is missing; a patch is named twice; a product is incomplete; a window is not on the 60 m
        grid, lies partly outside its tile, is in another projection, or no product holds data there.
    """
    table = _check_table(table)
    tiles_of: dict[tuple[str, str, str], list[Tile]] = {}
    for tile in find_tiles(folder):
        tiles_of.setdefault(tile.key, []).append(tile)
    sources = table["tile_source"] if "tile_source" in table.columns else table["patch"]
    key_of = {source: _parse_source(source) for source in sources.unique()}
    keys = sources.map(key_of)
    absent = ~keys.isin(tiles_of)
    if absent.any():
        first = int(absent.to_numpy().argmax())
        raise InputError(
            f"tiles {folder}: {absent.sum()} patches have no product there; patch {table.patch[first]} needs tile "
            f"{keys[first][2]}, {keys[first][0]}, sensed {keys[first][1]}: obtain it, or exclude the patches"
        )
    found = []
    for key, rows in table.groupby(keys.to_numpy(), sort=False):
        found += _choose_tiles(tiles_of[key], rows)
    return sorted(found, key=lambda windows: -len(windows.rows))


def read_windows(windows: TileWindows) -> Iterator[tuple[int, dict[int, np.ndarray]]]:
    """Read the windows of a tile in raster order, each band opened once.

    The radiometric offset of products from processing baseline 04.00 on is removed; what falls below 0 is set to 0.

    Yields
    ------
    (int, dict)
        Position of the patch in the table, and ``{10: (120, 120, 4), 20: (60, 60, 6), 60: (20, 20, 2)}``, uint16.

    Raises
    ------
    InputError
        A file is damaged, or a window holds no data in any band.
    """
    datasets = open_bands(windows.tile)
    cache = 0
    for metres, opened in datasets.items():
        cache += sum(cache_bytes(dataset, PIXELS[metres]) for dataset in opened)
    gdal.SetCacheMax(cache)
    for i, patch in enumerate(read_corners(windows.tile, datasets, windows.corners)):
        if not patch[60].any() and not any(array.any() for array in patch.values()):
            raise InputError(
                f"patch {windows.names[i]}: {windows.tile.product} holds no data there: obtain the product that covers "
                f"it, or exclude the patch"
            )
        yield int(windows.rows[i]), patch


def read_corners(
    tile: Tile, datasets: dict[int, list[gdal.Dataset]], corners: np.ndarray
) -> Iterator[dict[int, np.ndarray]]:
    """Read the pixels of patches, many patches of a raster row at once.

    Parameters
    ----------
    tile : Tile
    datasets : dict
        {metres: list of gdal.Dataset}, see `open_bands`.
    corners : (n, 2) int array
        Upper left corners (column, row) in pixels of 60 m, in raster order: so every block is decoded once.

    Yields
    ------
    dict
        {metres: (size, size, bands) uint16 array}: views of what was read at once.
    """
    for run in _split_into_runs(corners):
        left, top = run[0].tolist()
        right = int(run[-1, 0])
        strips = {}
        for metres in datasets:
            factor, size = _GRID // metres, PIXELS[metres]
            width = (right - left) * factor + size
            strips[metres] = read_window(tile, datasets, metres, left * factor, top * factor, width, size)
        for start in (run[:, 0] - left).tolist():
            patch = {}
            for metres, strip in strips.items():
                first = start * _GRID // metres
                patch[metres] = strip[:, first : first + PIXELS[metres]]
            yield patch


def describe_radiometry(found: list[TileWindows]) -> dict[str, dict]:
    """Describe what was done to the values, to be recorded: {product: {"baseline", "offset"}}."""
    record = {}
    for windows in found:
        record[windows.tile.product] = {"baseline": windows.tile.baseline, "offset": windows.tile.offset}
    return record


def _check_table(table: pd.DataFrame) -> pd.DataFrame:
    lacking = {"patch", "x", "y", "epsg"}.difference(table.columns)
    if lacking:
        raise InputError(f"table of patches has no column {min(lacking)!r}: it needs patch, x, y, epsg, tile_source")
    if not table["patch"].is_unique:
        twice = table["patch"][table["patch"].duplicated()].iloc[0]
        raise InputError(f"table of patches holds {twice} twice: give it once")
    for name in ("x", "y", "epsg"):
        values = table[name]
        if values.dtype.kind not in "iuf" or not np.isfinite(values.to_numpy(float)).all():
            raise InputError(f"table of patches: {name} is not a finite number in every row: correct it")
    return table.reset_index(drop=True)


def _parse_source(source: str) -> tuple[str, ...]:
    match = _SOURCE.search(str(source))
    if not match:
        raise InputError(
            f"{source!r} names no product (S2A_MSIL1C_<time>_..._T33UUP_...): add a column tile_source to the table"
        )
    return match.groups()


def _choose_tiles(tiles: list[Tile], rows: pd.DataFrame) -> list[TileWindows]:
    """Deal the patches of one tile and time to its granules."""
    if len(tiles) == 1:
        return [_in_raster_order(tiles[0], rows, _find_corners(tiles[0], open_bands(tiles[0]), rows))]
    tiles = sorted(tiles, key=lambda tile: (tile.baseline, tile.product, tile.granule.name), reverse=True)
    covered = np.zeros((len(tiles), len(rows)))
    corners = []
    for i, tile in enumerate(tiles):
        datasets = open_bands(tile)
        corners.append(_find_corners(tile, datasets, rows))
        covered[i] = _measure_coverage(datasets[60][0], corners[i])
    if not covered.any(axis=0).all():
        name = rows.patch.iloc[int((~covered.any(axis=0)).argmax())]
        products = " and ".join(sorted({tile.product for tile in tiles}))
        raise InputError(
            f"patch {name}: {products} hold no data there: obtain the product that covers it, or exclude the patch"
        )
    best = covered.argmax(axis=0)
    found = []
    for i, tile in enumerate(tiles):
        if (best == i).any():
            found.append(_in_raster_order(tile, rows[best == i], corners[i][best == i]))
    return found


def _find_corners(tile: Tile, datasets: dict[int, list[gdal.Dataset]], rows: pd.DataFrame) -> np.ndarray:
    """Upper left corners (column, row) of a tile's patches in pixels of 60 m: (n, 2) int array."""
    place = locate(datasets[10][0], 10)
    if place is None or place[0] is None:
        raise InputError(f"{datasets[10][0].GetDescription()} has no projection, or other pixels: fetch it again")
    epsg, left, top, width, height = place
    column, row = rows.x.to_numpy() - left, top - rows.y.to_numpy()
    beyond = (column < 0) | (row < 0) | (column + PATCH_METRES > width) | (row + PATCH_METRES > height)
    for wrong, what in (
        (rows.epsg.to_numpy() != epsg, f"is not in the tile's projection, EPSG:{epsg}"),
        (beyond, f"does not lie wholly in its tile, {left} to {left + width} m east, {top - height} to {top} m north"),
        ((column % _GRID != 0) | (row % _GRID != 0), f"does not start on the tile's {_GRID} m grid"),
    ):
        if wrong.any():
            bad = rows.iloc[int(wrong.argmax())]
            raise InputError(
                f"patch {bad.patch} (x {bad.x}, y {bad.y}, EPSG:{bad.epsg}) {what} ({tile.product}): correct the "
                f"coordinates, or exclude it"
            )
    return np.stack([column, row], axis=1).astype(int) // _GRID


def _measure_coverage(dataset: gdal.Dataset, corners: np.ndarray) -> np.ndarray:
    """Share of each window in which a band of 60 m holds data, 0 to 1."""
    try:
        holds_data = dataset.ReadAsArray() != NODATA
    except RuntimeError:
        raise InputError(f"{dataset.GetDescription()} is damaged: fetch it again") from None
    size = PIXELS[60]
    shares = [holds_data[row : row + size, column : column + size].mean() for column, row in corners.tolist()]
    return np.array(shares)


def _in_raster_order(tile: Tile, rows: pd.DataFrame, corners: np.ndarray) -> TileWindows:
    order = np.lexsort(corners.T)  # by row, then column
    return TileWindows(tile, rows.index.to_numpy()[order], corners[order], rows.patch.to_numpy(object)[order])


def _split_into_runs(corners: np.ndarray) -> Iterator[np.ndarray]:
    """Split corners in raster order into runs that are read at once: of one row, without large gaps."""
    steps = np.diff(corners, axis=0)
    breaks = (steps[:, 1] != 0) | (steps[:, 0] > _GAP)
    for row in np.split(corners, np.flatnonzero(breaks) + 1):
        yield from np.split(row, range(_PATCHES_AT_ONCE, len(row), _PATCHES_AT_ONCE))
