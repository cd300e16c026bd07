"""Pixels of a scene: its windows, how much of each is masked, and a small image of all of it."""

from collections.abc import Iterator

import numpy as np
from osgeo import gdal

from bigearth.archive import tile_pixels, windows
from bigearth.errors import InputError
from bigearth.mapping.grid import CELL_METRES, WINDOW_CELLS
from bigearth.mapping.scene import Scene
from bigearth.patch import BANDS_AT, PIXELS, RGB

gdal.UseExceptions()

# Sen2Cor's scene classification: no data, saturated or defective, cloud shadow, cloud (medium, high), cirrus, snow.
MASKED_CLASSES = (0, 1, 3, 8, 9, 10, 11)
# Digital number that is drawn as full brightness, and the curve below it: as in the figures of patches.
BRIGHTEST = 3000
GAMMA = 0.7


class Reader:
    """Reads windows of a scene and how much of each is masked; one per process.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.datasets = tile_pixels.open_bands(scene.tile)
        self.mask = gdal.Open(str(scene.mask)) if scene.mask else None
        needed = 0
        for metres, group in self.datasets.items():
            needed += sum(tile_pixels.cache_bytes(dataset, PIXELS[metres]) for dataset in group)
        gdal.SetCacheMax(needed)

    def read_windows(self, row: int, columns: np.ndarray) -> Iterator[dict[int, np.ndarray]]:
        """Read one row of windows.

        Parameters
        ----------
        row : int
            Upper border of the windows, in pixels of 60 m.
        columns : (n,) int array
            Their left borders, ascending.

        Yields
        ------
        dict
            {metres: (size, size, bands) uint16 array}, see `bigearth.archive.windows.read_corners`.
        """
        corners = np.stack([columns, np.full(len(columns), row)], axis=1)
        return windows.read_corners(self.scene.tile, self.datasets, corners)

    def read_mask(self, row: int) -> np.ndarray | None:
        """Read the masked share of every 60 m pixel of a row of windows: (20, width) float, None without a mask."""
        if self.mask is None:
            return None
        factor = round(CELL_METRES / self.mask.GetGeoTransform()[1])
        try:
            band = self.mask.GetRasterBand(1)
            values = band.ReadAsArray(0, row * factor, self.mask.RasterXSize, WINDOW_CELLS * factor)
        except RuntimeError:
            path = self.mask.GetDescription()
            raise InputError(f"mask {path} is damaged near row {row * factor}: fetch the product again") from None
        is_masked = np.isin(values, MASKED_CLASSES) if self.scene.mask_is_classification else values != 0
        return is_masked.reshape(WINDOW_CELLS, factor, -1, factor).mean(axis=(1, 3))


def find_missing(window: dict[int, np.ndarray]) -> np.ndarray:
    """Find the 60 m pixels of a window where all bands are 0, Sentinel-2's value for no data: (20, 20) bool."""
    missing = np.ones((WINDOW_CELLS, WINDOW_CELLS), bool)
    for metres in BANDS_AT:
        factor = CELL_METRES // metres
        brightest = window[metres].max(axis=-1)
        missing &= brightest.reshape(WINDOW_CELLS, factor, WINDOW_CELLS, factor).max(axis=(1, 3)) == 0
    return missing


def measure_masked(window: dict[int, np.ndarray], mask: np.ndarray | None, column: int) -> float:
    """Measure which share of a window is masked or missing, 0 to 1.

    Parameters
    ----------
    window : dict
        As `Reader.read_windows` yields it.
    mask : (20, width) float array or None
        As `Reader.read_mask` returns it.
    column : int
        Left border of the window in pixels of 60 m.
    """
    share = find_missing(window).astype(float)
    if mask is not None:
        share = np.maximum(share, mask[:, column : column + WINDOW_CELLS])
    return float(share.mean())


def read_true_colour(scene: Scene, longest: int) -> np.ndarray:
    """Read a small image of the scene in true colour.

    Parameters
    ----------
    scene : Scene
    longest : int
        Pixels of the longer side, at most.

    Returns
    -------
    (h, w, 3) uint8 array
    """
    datasets = tile_pixels.open_bands(scene.tile)[10]
    factor = max(1, max(scene.width, scene.height) / 10 / longest)
    width, height = round(scene.width / 10 / factor), round(scene.height / 10 / factor)
    image = np.empty((height, width, 3))
    for channel, band in enumerate(RGB):
        dataset = datasets[BANDS_AT[10].index(band)]
        array = dataset.ReadAsArray(buf_xsize=width, buf_ysize=height, resample_alg=gdal.GRIORA_Average)
        image[..., channel] = array.astype(float) + scene.tile.offset[band]
    return (np.clip(image / BRIGHTEST, 0, 1) ** GAMMA * 255).astype(np.uint8)
