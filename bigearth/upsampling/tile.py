"""DSen2 on whole tiles: all bands of a Sentinel-2 product at 10 m, in one GeoTIFF."""

from pathlib import Path

import keras
import numpy as np
from osgeo import gdal

from bigearth.archive import tile_pixels
from bigearth.archive.products import Tile
from bigearth.files import write_whole
from bigearth.patch import BANDS, BANDS_AT
from bigearth.upsampling.dsen2 import GUIDES, WINDOW, mirror, predict

_STRIP_LINES = 120  # lines of 10 m bands that are copied at a time
_WINDOWS_AT_ONCE = 4  # that a network is given


def super_resolve_tile(tile: Tile, models: dict[int, keras.Model], path: str | Path) -> None:
    """Bring a whole tile to 10 m in overlapping windows, a few at a time, so that memory does not grow with the tile.

    Parameters
    ----------
    tile : Tile
    models : dict
        {20: keras.Model, 60: keras.Model}, see `weights.load`.
    path : Path or str
        GeoTIFF to write: the twelve bands in wavelength order, uint16, radiometric offset removed.
    """
    datasets = tile_pixels.open_bands(tile)
    first = datasets[10][0]
    width, height = first.RasterXSize, first.RasterYSize
    options = ["TILED=YES", "INTERLEAVE=BAND", "BIGTIFF=IF_SAFER"]
    with write_whole(Path(path)) as partial:
        out = gdal.GetDriverByName("GTiff").Create(str(partial), width, height, len(BANDS), gdal.GDT_UInt16, options)
        out.SetGeoTransform(first.GetGeoTransform())
        out.SetSpatialRef(first.GetSpatialRef())
        for row in range(0, height, _STRIP_LINES):
            lines = min(_STRIP_LINES, height - row)
            strip = tile_pixels.read_window(tile, datasets, 10, 0, row, width, lines)
            _write(out, 10, strip, 0, row)
        for metres, model in models.items():
            _super_resolve_bands(out, tile, datasets, metres, model)
        out = None  # closes the file


def _super_resolve_bands(out: gdal.Dataset, tile: Tile, datasets: dict, metres: int, model: keras.Model) -> None:
    """Bring the bands of one resolution to 10 m, window by window."""
    window, border = WINDOW[metres]
    inner = min(window - 2 * border, out.RasterXSize), min(window - 2 * border, out.RasterYSize)
    columns = _start_windows(out.RasterXSize, inner[0])
    for row in _start_windows(out.RasterYSize, inner[1]):
        for i in range(0, len(columns), _WINDOWS_AT_ONCE):
            chosen = columns[i : i + _WINDOWS_AT_ONCE]
            bands = {}
            for m in GUIDES[metres]:
                bands[m] = np.stack([_read_context(tile, datasets, m, column, row, inner, border) for column in chosen])
            for column, array in zip(chosen, predict(model, bands, metres), strict=True):
                _write(out, metres, array, column, row)


def _write(out: gdal.Dataset, metres: int, array: np.ndarray, column: int, row: int) -> None:
    """Write bands of one native resolution at a place of the file."""
    for i, band in enumerate(BANDS_AT[metres]):
        out.GetRasterBand(BANDS.index(band) + 1).WriteArray(array[..., i], column, row)


def _start_windows(length: int, inner: int) -> list[int]:
    """List where windows of `inner` pixels, `length` at most, start to cover it; the last one ends with it."""
    return sorted({min(start, length - inner) for start in range(0, length, inner)})


def _read_context(
    tile: Tile, datasets: dict, metres: int, column: int, row: int, inner: tuple[int, int], border: int
) -> np.ndarray:
    """Read a window with its border, mirrored where the tile ends.

    Parameters
    ----------
    column, row : int
        Upper left corner, in pixels of 10 m.
    inner : (int, int)
        Width and height without the border, in pixels of 10 m.
    border : int
        In pixels of 10 m.

    Returns
    -------
    (h, w, bands) uint16 array
        At the resolution `metres`.
    """
    scale = metres // 10
    raster = datasets[metres][0]
    start = np.array([column - border, row - border]) // scale
    end = np.array([column + inner[0] + border, row + inner[1] + border]) // scale
    low = np.maximum(start, 0)
    high = np.minimum(end, [raster.RasterXSize, raster.RasterYSize])
    array = tile_pixels.read_window(tile, datasets, metres, *low.tolist(), *(high - low).tolist())
    left, top = low - start
    right, bottom = end - high
    return mirror(array[None], (top, bottom, left, right))[0]
