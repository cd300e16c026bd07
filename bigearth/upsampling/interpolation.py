"""Interpolation of the 20 m and 60 m bands to 10 m, without a network."""

import numpy as np
from osgeo import gdal, gdal_array

gdal.UseExceptions()

_RESAMPLING = {"bilinear": gdal.GRIORA_Bilinear, "bicubic": gdal.GRIORA_Cubic}


def interpolate(array: np.ndarray, size: int | tuple[int, int], method: str = "bilinear") -> np.ndarray:
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
    resampling = _RESAMPLING[method]
    *lead, h, w, c = array.shape
    height, width = size if isinstance(size, tuple) else (size, size)
    result = np.empty((*lead, height, width, c), array.dtype)
    for patch, out in zip(array.reshape(-1, h, w, c), result.reshape(-1, height, width, c), strict=True):
        dataset = gdal_array.OpenArray(patch, interleave="pixel")
        buffer = out if c > 1 else out[..., 0]  # of a single band GDAL asks for two dimensions
        dataset.ReadAsArray(buf_obj=buffer, interleave="pixel", resample_alg=resampling)
    return result
