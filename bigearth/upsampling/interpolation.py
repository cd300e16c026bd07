"""Interpolation of the 20 m and 60 m bands to 10 m, without a network."""

import numpy as np
from osgeo import gdal, gdal_array

gdal.UseExceptions()


def bilinear(array, size, method="bilinear"):
    """Interpolate patches to `size` x `size` pixels with GDAL's resampling (the paper's preprocessing, step 2).

    Pixel centres lie at half-integers and the edge is clamped: a patch sees nothing beyond its own border, so that its
    outermost `factor / 2` pixels differ from those of a patch cut out of an upsampled tile. Integers are rounded
    half up.

    Parameters
    ----------
    array : (..., h, w, c) uint16 or float32
        Patches, channels last.
    size : int or (int, int)
        Pixels per side of the result, or its height and width.
    method : str
        `"bilinear"`, or `"bicubic"` as a baseline of comparison.

    Returns
    -------
    (..., size, size, c) array of the same type
    """
    resample = {"bilinear": gdal.GRIORA_Bilinear, "bicubic": gdal.GRIORA_Cubic}[method]
    *lead, h, w, c = array.shape
    height, width = (size, size) if np.isscalar(size) else size
    result = np.empty((*lead, height, width, c), array.dtype)
    for patch, out in zip(array.reshape(-1, h, w, c), result.reshape(-1, height, width, c), strict=True):
        dataset = gdal_array.OpenArray(patch, interleave="pixel")
        # of a single band GDAL asks for two dimensions
        dataset.ReadAsArray(buf_obj=out if c > 1 else out[..., 0], interleave="pixel", resample_alg=resample)
    return result
