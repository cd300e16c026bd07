"""Windows of tiles: patches cut from Sentinel-2 L2A products."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from osgeo import gdal

from bigearth.archive.products import Tile, find_tiles, list_files
from bigearth.errors import InputError
from bigearth.installation import check_projections
from bigearth.outside import open_file
from bigearth.patch import BANDS_10M, BANDS_AT, NODATA, PATCH_METRES, PIXELS, RESOLUTION, SATURATED

gdal.UseExceptions()

_SOURCE = re.compile(r"(S2[A-D])_MSIL\d[AC]_(\d{8}T\d{6})_.*?_(T\d\d[A-Z]{3})(?:_|\b)")
# Drivers that may open a band file; a VRT of that name would lead elsewhere.
_DRIVERS = {".jp2": ["JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JP2Lura"], ".tif": ["GTiff"]}

_GRID = max(RESOLUTION.values())  # m: a window of all bands starts on the grid of the coarsest
# Windows of a row are read at once across gaps of up to 9 patches, about a block of a product's JPEG 2000, which is
# decoded anyway.
_GAP = 9 * PATCH_METRES // _GRID
_PATCHES_AT_ONCE = 23  # two megabytes at 10 m, which stay in the processor's cache


@dataclass(frozen=True)
class TileWindows:
    """What is cut from a tile, in raster order.

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


def open_bands(tile: Tile) -> dict[int, list[gdal.Dataset]]:
    """Open the twelve band files of a tile.

    Returns
    -------
    dict
        {metres: list of gdal.Dataset}, all of one place and projection, each one band of uint16.

    Raises
    ------
    InputError
        A file is missing, there twice, unreadable, of another type, or of another place.
    """
    datasets: dict[int, list[gdal.Dataset]] = {}
    for metres, bands in BANDS_AT.items():
        datasets[metres] = []
        for band in bands:
            paths = list_files(tile.granule, f"IMG_DATA/R{metres}m/*_{band}_{metres}m.*")
            paths = [path for path in paths if path.suffix in _DRIVERS]
            if len(paths) != 1:
                raise InputError(
                    f"{tile.granule} has {len(paths)} files of {band} at {metres} m, not 1: fetch it again"
                )
            dataset = _open_band(paths[0])
            datasets[metres].append(dataset)
            if _locate(dataset, metres) != _locate(datasets[10][0], 10):
                raise InputError(
                    f"{paths[0]} covers another area than {BANDS_10M[0]}, or in other pixels: fetch it again"
                )
    return datasets


def read_window(
    tile: Tile, datasets: dict[int, list[gdal.Dataset]], metres: int, column: int, row: int, width: int, height: int
) -> np.ndarray:
    """Read the bands of one resolution in a window of a tile, and remove its radiometric offset.

    No data (0) stays 0, and saturated pixels (65535) stay 65535.

    Parameters
    ----------
    tile : Tile
    datasets : dict
        {metres: list of gdal.Dataset}, see `open_bands`.
    metres, column, row, width, height : int
        Resolution, and the window in pixels of it.

    Returns
    -------
    (height, width, bands) uint16 array, band after band in memory
    """
    out = np.empty((len(datasets[metres]), height, width), np.uint16)
    for i, dataset in enumerate(datasets[metres]):
        try:
            dataset.GetRasterBand(1).ReadAsArray(column, row, width, height, buf_obj=out[i])
        except RuntimeError:
            path = dataset.GetDescription()
            raise InputError(f"{path} is damaged near column {column}, row {row}: fetch it again") from None
    for band, array in zip(BANDS_AT[metres], out, strict=False):  # a benchmark reads the first bands only
        if tile.offset[band]:
            _remove_offset(array, tile.offset[band])
    return np.moveaxis(out, 0, -1)


def describe_radiometry(found: list[TileWindows]) -> dict[str, dict]:
    """Describe what was done to the values, to be recorded: {product: {"baseline", "offset"}}."""
    record = {}
    for windows in found:
        record[windows.tile.product] = {"baseline": windows.tile.baseline, "offset": windows.tile.offset}
    return record


def cache_bytes(dataset: gdal.Dataset, size: int) -> int:
    """Memory for the rows of blocks that windows of `size` lines touch at a time, bytes."""
    width, height = dataset.GetRasterBand(1).GetBlockSize()
    across = -(-dataset.RasterXSize // width) * width
    lines = (-(-(size - 1) // height) + 1) * height
    return 2 * across * lines + (1 << 20)


def _check_table(table: pd.DataFrame) -> pd.DataFrame:
    lacking = {"patch", "x", "y", "epsg"}.difference(table.columns)
    if lacking:
        raise InputError(f"table of patches has no column {min(lacking)!r}: it needs patch, x, y, epsg, tile_source")
    if not table["patch"].is_unique:
        twice = table["patch"][table["patch"].duplicated()].iloc[0]
        raise InputError(f"table of patches holds {twice} twice: give it once")
    return table.reset_index(drop=True)


def _parse_source(source: str) -> tuple[str, ...]:
    match = _SOURCE.search(str(source))
    if not match:
        raise InputError(
            f"{source!r} names no product (S2A_MSIL1C_<time>_..._T33UUP_...): add a column tile_source to the table"
        )
    return match.groups()


def _open_band(path: Path) -> gdal.Dataset:
    open_file(path, "band").close()  # GDAL would wait for a pipe
    try:
        dataset = gdal.OpenEx(str(path), gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR, _DRIVERS[path.suffix])
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0]}): fetch it again") from None
    kind = dataset.GetRasterBand(1).DataType if dataset.RasterCount == 1 else None
    if kind != gdal.GDT_UInt16:
        name = gdal.GetDataTypeName(dataset.GetRasterBand(1).DataType) if dataset.RasterCount else "nothing"
        raise InputError(f"{path} has {dataset.RasterCount} band(s) of {name}, not one of UInt16: fetch it again")
    return dataset


def _locate(dataset: gdal.Dataset, metres: int) -> tuple | None:
    """EPSG code, upper left corner and extent in m; None where the pixels are not `metres` wide."""
    x, width, _, y, _, height = dataset.GetGeoTransform()
    if (width, height) != (metres, -metres):
        return None
    reference = dataset.GetSpatialRef()
    code = reference and reference.GetAuthorityCode(None)
    if not code:
        check_projections()
    epsg = int(code) if code else None
    return epsg, round(x), round(y), metres * dataset.RasterXSize, metres * dataset.RasterYSize


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
    place = _locate(datasets[10][0], 10)
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


def _remove_offset(array: np.ndarray, offset: int) -> None:
    """Add an offset in place; values below 0 become 0, no data and saturated pixels stay."""
    special = (array == NODATA) | (array == SATURATED)
    kept = array[special]
    if offset < 0:
        np.maximum(array, -offset, out=array)
        array -= np.uint16(-offset)
    else:
        np.minimum(array, SATURATED - offset, out=array)
        array += np.uint16(offset)
    array[special] = kept
