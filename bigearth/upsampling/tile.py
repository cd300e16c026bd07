"""DSen2 on whole tiles: all bands of a Sentinel-2 product at 10 m, strip by strip."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Strip:
    """Lines of a tile that are made at a time, over its full width, in the bands of one native resolution.

    Attributes
    ----------
    metres : int
        Native resolution of the bands: 10 (copied), 20 or 60.
    row, lines : int
        First line and number of lines, in pixels of 10 m.
    start : int
        Line where the network's windows start: above ``row`` in the last strip, whose windows end with the tile.
    """

    metres: int
    row: int
    lines: int
    start: int


def list_strips(height: int) -> list[Strip]:
    """List the strips that make up a tile, those that take longest first.

    A strip depends on the tile alone: strips can be made by many processes, in any order, and give the same bands.

    Parameters
    ----------
    height : int
        Of the tile, in pixels of 10 m.
    """
    strips = []
    for metres in (60, 20):
        inner = _find_inner(metres, height)
        row = 0
        for start in _start_windows(height, inner):
            strips.append(Strip(metres, row, start + inner - row, start))
            row = start + inner
    for row in range(0, height, _STRIP_LINES):
        strips.append(Strip(10, row, min(_STRIP_LINES, height - row), row))
    return strips


def make_strip(
    tile: Tile, datasets: dict[int, list[gdal.Dataset]], strip: Strip, models: dict[int, keras.Model]
) -> np.ndarray:
    """Bring a strip of a tile to 10 m in overlapping windows, a few at a time.

    Parameters
    ----------
    tile : Tile
    datasets : dict
        See `bigearth.archive.tile_pixels.open_bands`.
    strip : Strip
    models : dict
        {20: keras.Model, 60: keras.Model}, see `weights.load`.

    Returns
    -------
    (bands, lines, width) uint16 array
        The bands of the strip's native resolution, radiometric offset removed.
    """
    first = datasets[10][0]
    width, height = first.RasterXSize, first.RasterYSize
    if strip.metres == 10:
        array = tile_pixels.read_window(tile, datasets, 10, 0, strip.row, width, strip.lines)
        return np.moveaxis(array, -1, 0)
    border = WINDOW[strip.metres][1]
    inner = _find_inner(strip.metres, width), _find_inner(strip.metres, height)
    made = np.empty((len(BANDS_AT[strip.metres]), strip.lines, width), np.uint16)
    columns = _start_windows(width, inner[0])
    for i in range(0, len(columns), _WINDOWS_AT_ONCE):
        chosen = columns[i : i + _WINDOWS_AT_ONCE]
        bands = {}
        for m in GUIDES[strip.metres]:
            contexts = [_read_context(tile, datasets, m, column, strip.start, inner, border) for column in chosen]
            bands[m] = np.stack(contexts)
        predicted = predict(models[strip.metres], bands, strip.metres)
        for column, array in zip(chosen, predicted, strict=True):
            kept = array[strip.row - strip.start :]
            made[:, :, column : column + inner[0]] = np.moveaxis(kept, -1, 0)
    return made


def super_resolve_tile(tile: Tile, models: dict[int, keras.Model], path: str | Path) -> None:
    """Bring a whole tile to 10 m, strip by strip, so that memory does not grow with the tile.

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
        for strip in list_strips(height):
            made = make_strip(tile, datasets, strip, models)
            for band, array in zip(BANDS_AT[strip.metres], made, strict=True):
                out.GetRasterBand(BANDS.index(band) + 1).WriteArray(array, 0, strip.row)
        out = None  # closes the file


def _find_inner(metres: int, length: int) -> int:
    """Side of a network's window without its border, in pixels of 10 m; shorter where the tile is."""
    window, border = WINDOW[metres]
    return min(window - 2 * border, length)


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
