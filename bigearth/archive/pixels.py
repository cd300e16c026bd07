"""The pixels of one patch of an archive."""

import os

import numpy as np
from osgeo import gdal

from bigearth.errors import InputError
from bigearth.patch import BANDS_AT, PIXELS

gdal.UseExceptions()


def read_patch(folder, out=None):
    """The twelve bands of one patch at their native resolution, every file checked.

    Parameters
    ----------
    folder : Path or str
        Holds ``<name>_B01.tif`` ... ``<name>_B12.tif``.
    out : dict, optional
        Arrays to fill, as returned.

    Returns
    -------
    dict
        ``{10: (120, 120, 4), 20: (60, 60, 6), 60: (20, 20, 2)}``, uint16 digital numbers.

    Raises
    ------
    InputError
        A band is missing, cannot be read to its end, or has another size or type.
    """
    if out is None:
        out = {}
        for metres, bands in BANDS_AT.items():
            out[metres] = np.empty((PIXELS[metres], PIXELS[metres], len(bands)), np.uint16)
    folder = str(folder)
    prefix = f"{folder}/{os.path.basename(folder)}_"
    for metres, bands in BANDS_AT.items():
        size = PIXELS[metres]
        for i, band in enumerate(bands):
            path = f"{prefix}{band}.tif"
            try:
                dataset = gdal.Open(path)
                raster = dataset.GetRasterBand(1)
                found = dataset.RasterXSize, dataset.RasterYSize, dataset.RasterCount, raster.DataType
                if found == (size, size, 1, gdal.GDT_UInt16):
                    raster.ReadAsArray(buf_obj=out[metres][..., i])
                    continue
            except RuntimeError as error:
                reason = "is missing" if not os.path.exists(path) else f"cannot be read ({str(error).splitlines()[0]})"
                raise InputError(f"{path} {reason}: restore it from the archive, then run again") from None
            kind = gdal.GetDataTypeName(found[3])
            raise InputError(
                f"{path} has {found[0]} x {found[1]} pixels, {found[2]} band(s) of {kind}; expected {size} x {size}, "
                f"one of UInt16: restore it from the archive, then run again"
            )
    return out
