"""The map as a raster: a Cloud-Optimized GeoTIFF with one band of scores per label."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from osgeo import gdal

from bigearth.files import write_whole
from bigearth.mapping.scene import Place

gdal.UseExceptions()

# A score of 0 to 1 is stored as 0 to 254: the steps are below 1/255 of a score when rounded, and 255 is left for
# "no data".
SCALE = 1 / 254
NO_DATA = 255
COG_OPTIONS = ["COMPRESS=DEFLATE", "PREDICTOR=2", "OVERVIEW_RESAMPLING=AVERAGE", "BIGTIFF=IF_SAFER"]


def encode_scores(scores: np.ndarray) -> np.ndarray:
    """Round scores to uint8; NaN becomes `NO_DATA`."""
    known = ~np.isnan(scores)
    rounded = np.rint(np.where(known, scores, 0) / SCALE).astype(np.uint8)
    return np.where(known, rounded, np.uint8(NO_DATA))


def decode_scores(stored: np.ndarray) -> np.ndarray:
    """Scores of stored values, float32; `NO_DATA` becomes NaN."""
    return np.where(stored == NO_DATA, np.nan, stored * np.float32(SCALE)).astype(np.float32)


@dataclass(frozen=True)
class Layout:
    """Place and form of a map's raster.

    Attributes
    ----------
    place : Place
        Upper left corner and projection of the scene.
    pixel_metres : int
        Side of a pixel.
    shape : (int, int)
        Rows and columns of pixels.
    labels : tuple of str
        Names of the bands.
    """

    place: Place
    pixel_metres: int
    shape: tuple[int, int]
    labels: tuple[str, ...]

    def create(self, path: Path) -> gdal.Dataset:
        """Create an ordinary GeoTIFF of this layout, without scores."""
        rows, columns = self.shape
        count = len(self.labels)
        options = ["INTERLEAVE=PIXEL", "COMPRESS=DEFLATE", "BIGTIFF=IF_SAFER"]
        raster = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, count, gdal.GDT_Byte, options)
        raster.SetGeoTransform((self.place.x, self.pixel_metres, 0, self.place.y, 0, -self.pixel_metres))
        raster.SetSpatialRef(self.place.reference())
        for number, label in enumerate(self.labels, 1):
            band = raster.GetRasterBand(number)
            band.SetDescription(label)
            band.SetNoDataValue(NO_DATA)
            band.SetScale(SCALE)
            band.SetOffset(0)
        return raster


def write_raster(path: Path, layout: Layout, blocks: Iterable[tuple[int, np.ndarray]], about: dict[str, str]) -> None:
    """Write the scores of a scene as a Cloud-Optimized GeoTIFF, whole or not at all.

    Its driver only copies, so the scores are first written block by block into an ordinary GeoTIFF.

    Parameters
    ----------
    path : Path
    layout : Layout
    blocks : iterable of (first row, (rows, columns, labels) float32)
        See `bigearth.mapping.grid.average_windows`.
    about : dict
        Kept as the file's metadata.
    """
    with write_whole(path) as partial:
        plain = partial.with_name(f"{partial.stem}.plain.tif")
        try:
            raster = layout.create(plain)
            raster.SetMetadata(about)
            for first, block in blocks:
                stored = np.ascontiguousarray(np.moveaxis(encode_scores(block), -1, 0))
                raster.WriteArray(stored, 0, first)
            raster.FlushCache()
            gdal.GetDriverByName("COG").CreateCopy(str(partial), raster, options=COG_OPTIONS)
            raster = None  # closes the file
        finally:
            plain.unlink(missing_ok=True)
