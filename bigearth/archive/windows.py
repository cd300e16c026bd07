"""Windows of tiles: patches cut from Sentinel-2 L2A products."""

import re
from dataclasses import dataclass

import numpy as np
from osgeo import gdal

from bigearth.archive.products import Tile, find_tiles
from bigearth.errors import InputError
from bigearth.patch import BANDS_10M, BANDS_AT, PATCH_METRES, PIXELS, RESOLUTION

gdal.UseExceptions()

_SOURCE = re.compile(r"(S2[A-D])_MSIL\d[AC]_(\d{8}T\d{6})_.*?_(T\d\d[A-Z]{3})(?:_|\b)")

_GRID = max(RESOLUTION.values())  # a window of all bands starts on the grid of the coarsest
# Pixels of the grid across which patches of a row are read at once: 9 patches, about a block of a product's JPEG 2000,
# which is decoded anyway.
_READ_ON = 9 * PATCH_METRES // _GRID
_AT_ONCE = 23  # patches of a row read at once: two megabytes a resolution, which stay in the processor's cache


@dataclass(frozen=True)
class Cut:
    """What is cut from a tile, in raster order: rows of the table, and upper left corners in pixels of 60 m."""

    tile: Tile
    rows: np.ndarray  # (n,) positions in the table
    corners: np.ndarray  # (n, 2) column, row


def plan(folder, table):
    """Find the tile and the window of every patch, and check all of them before anything is read.

    Parameters
    ----------
    folder : Path or str
        Holds the products.
    table : DataFrame [patch, x, y, epsg, tile_source]
        Upper left corners in metres. ``tile_source`` names the product that a patch was cut from, of level 1C as in
        the archive's JSON or of 2A; without this column the patch's own name has to (as in v2.0).

    Returns
    -------
    list of Cut
        Most patches first.

    Raises
    ------
    InputError
        A column or product is missing; a patch is named twice; a product is incomplete; a window is not on the 60 m
        grid, lies partly outside its tile, or is in another projection.
    """
    lacking = {"patch", "x", "y", "epsg"}.difference(table.columns)
    if lacking:
        raise InputError(f"table of patches has no column {min(lacking)!r}: it needs patch, x, y, epsg, tile_source")
    if not table["patch"].is_unique:
        twice = table["patch"][table["patch"].duplicated()].iloc[0]
        raise InputError(f"table of patches holds {twice} twice: remove one")
    table, tiles = table.reset_index(drop=True), find_tiles(folder)
    sources = table["tile_source"] if "tile_source" in table.columns else table["patch"]
    key_of = {source: _key(source) for source in sources.unique()}
    keys = sources.map(key_of)
    absent = ~keys.isin(tiles)
    if absent.any():
        first = int(absent.to_numpy().argmax())
        raise InputError(
            f"tiles {folder}: {absent.sum()} patches have no product there; patch {table.patch[first]} needs tile "
            f"{keys[first][2]}, {keys[first][0]}, sensed {keys[first][1]}: obtain it, or exclude the patches"
        )
    cuts = []
    for key, rows in table.groupby(keys.to_numpy(), sort=False):
        cuts.append(_check(tiles[key], rows, open_bands(tiles[key])))
    return sorted(cuts, key=lambda cut: -len(cut.rows))


def read_tile_patches(folder, table):
    """Cut patches out of products, tile after tile, in raster order, each band opened once.

    The radiometric offset of products from processing baseline 04.00 on is removed; what falls below 0 is set to 0.

    Parameters
    ----------
    folder, table
        As in `plan`.

    Yields
    ------
    (int, dict)
        Position of the patch in the table, and ``{10: (120, 120, 4), 20: (60, 60, 6), 60: (20, 20, 2)}``, uint16.
    """
    for cut in plan(folder, table):
        yield from read_cut(cut)


def read_cut(cut):
    """As `read_tile_patches`, for one tile of a `plan`."""
    datasets = open_bands(cut.tile)
    gdal.SetCacheMax(sum(cache_bytes(band, PIXELS[m]) for m, bands in datasets.items() for band in bands))
    yield from zip(cut.rows.tolist(), windows(cut.tile, datasets, cut.corners), strict=True)


def windows(tile, datasets, corners):
    """The pixels of patches, read for many patches of a raster row at once.

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
    steps = np.diff(corners, axis=0)
    breaks = (steps[:, 1] != 0) | (steps[:, 0] > _READ_ON)
    runs = np.split(corners, np.flatnonzero(breaks) + 1)
    for run in (part for row in runs for part in np.split(row, range(_AT_ONCE, len(row), _AT_ONCE))):
        (left, top), right = run[0].tolist(), int(run[-1, 0])
        strips = {}
        for m in datasets:
            f, size = _GRID // m, PIXELS[m]
            strips[m] = read_window(tile, datasets, m, left * f, top * f, (right - left) * f + size, size)
        for start in (run[:, 0] - left).tolist():
            yield {m: strip[:, start * _GRID // m : start * _GRID // m + PIXELS[m]] for m, strip in strips.items()}


def open_bands(tile):
    """The twelve band files of a tile: {metres: list of gdal.Dataset}, checked to be of one place and projection."""
    datasets = {}
    for metres, bands in BANDS_AT.items():
        datasets[metres] = []
        for band in bands:
            files = tile.granule.glob(f"IMG_DATA/R{metres}m/*_{band}_{metres}m.*")
            files = [path for path in files if path.suffix in (".jp2", ".tif")]
            if len(files) != 1:
                raise InputError(
                    f"{tile.granule} has {len(files)} files of {band} at {metres} m, not 1: fetch it again"
                )
            try:
                datasets[metres].append(gdal.Open(str(files[0])))
            except RuntimeError as error:
                raise InputError(f"{files[0]} cannot be read ({str(error).splitlines()[0]}): fetch it again") from None
            if _place(datasets[metres][-1], metres) != _place(datasets[10][0], 10):
                raise InputError(
                    f"{files[0]} covers another area than {BANDS_10M[0]}, or in other pixels: fetch it again"
                )
    return datasets


def read_window(tile, datasets, metres, column, row, width, height):
    """The bands of one resolution in a window of a tile, its radiometric offset removed.

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
    offset = [tile.offset[band] for band in BANDS_AT[metres]]
    if any(offset):
        out = np.clip(out + np.int32(offset)[:, None, None], 0, 65535).astype(np.uint16)
    return np.moveaxis(out, 0, -1)


def radiometry(cuts):
    """What was done to the values of a `plan`, to be recorded: {product: {"baseline", "offset"}}."""
    return {cut.tile.product: {"baseline": cut.tile.baseline, "offset": cut.tile.offset} for cut in cuts}


def _key(source):
    match = _SOURCE.search(str(source))
    if not match:
        raise InputError(
            f"{source!r} names no product (S2A_MSIL1C_<time>_..._T33UUP_...): add a column tile_source to the table"
        )
    return match.groups()


def _place(dataset, metres):
    """EPSG code, upper left corner and extent in m; None where the pixels are not `metres` wide."""
    x, width, _, y, _, height = dataset.GetGeoTransform()
    if (width, height) != (metres, -metres):
        return None
    reference = dataset.GetSpatialRef()
    epsg = reference and reference.GetAuthorityCode(None)
    return epsg and int(epsg), round(x), round(y), metres * dataset.RasterXSize, metres * dataset.RasterYSize


def _check(tile, rows, datasets):
    """The windows of a tile's patches as a `Cut`."""
    epsg, left, top, width, height = _place(datasets[10][0], 10)
    column, row = rows.x.to_numpy() - left, top - rows.y.to_numpy()
    outside = (column < 0) | (row < 0) | (column + PATCH_METRES > width) | (row + PATCH_METRES > height)
    for wrong, what in (
        (rows.epsg.to_numpy() != epsg, f"is not in the tile's projection, EPSG:{epsg}"),
        (outside, f"does not lie wholly in its tile, {left} to {left + width} m east, {top - height} to {top} m north"),
        ((column % _GRID != 0) | (row % _GRID != 0), f"does not start on the tile's {_GRID} m grid"),
    ):
        if wrong.any():
            bad = rows.iloc[int(wrong.argmax())]
            raise InputError(
                f"patch {bad.patch} (x {bad.x}, y {bad.y}, EPSG:{bad.epsg}) {what} ({tile.product}): correct the "
                f"coordinates, or exclude it"
            )
    corners = np.stack([column, row], axis=1).astype(int) // _GRID
    order = np.lexsort(corners.T)  # by row, then column
    return Cut(tile, rows.index.to_numpy()[order], corners[order])


def cache_bytes(dataset, size):
    """Memory for the rows of blocks that windows of `size` lines touch at a time."""
    width, height = dataset.GetRasterBand(1).GetBlockSize()
    across = -(-dataset.RasterXSize // width) * width
    lines = (-(-(size - 1) // height) + 1) * height
    return 2 * across * lines + (1 << 20)
