"""GeoTIFFs and projections as the published archive has them."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from osgeo import gdal, osr

from bigearth.installation import check_projections

gdal.UseExceptions()


def write_tif(
    path: Path,
    array: np.ndarray,
    x: int,
    y: int,
    metres: int,
    epsg: int,
    nodata: int | None = None,
    options: Sequence[str] = (),
) -> None:
    """Write one band as a GeoTIFF.

    Parameters
    ----------
    path : Path
    array : (height, width) uint16 array
    x, y : int
        Upper left corner in m.
    metres : int
        Width of a pixel.
    epsg : int
    nodata : int, optional
        Recorded as the value of pixels without data.
    options : sequence of str
        Creation options of GDAL's GTiff driver.
    """
    height, width = array.shape
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, 1, gdal.GDT_UInt16, list(options))
    dataset.SetGeoTransform((x, metres, 0, y, 0, -metres))
    dataset.SetSpatialRef(spatial_reference(epsg))
    band = dataset.GetRasterBand(1)
    if nodata is not None:
        band.SetNoDataValue(nodata)
    band.WriteArray(array)


@lru_cache
def spatial_reference(epsg: int) -> osr.SpatialReference:
    """GDAL's description of the projection with an EPSG code."""
    check_projections()
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return reference
