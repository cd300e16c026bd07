"""Bringing the 20 m and 60 m bands to 10 m without a network, and measures of how well a method does it."""

import numpy as np
import pandas as pd
from osgeo import gdal, gdal_array
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

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


def reduce_resolution(array, factor):
    """Simulate a sensor of `factor` times larger pixels: blur, then average (Lanaras et al. 2018).

    Parameters
    ----------
    array : (n, h, w, c) array
        Sides divisible by `factor`.
    factor : int
        The blur is a Gaussian of 1 / `factor` pixels.

    Returns
    -------
    (n, h / factor, w / factor, c) float32 array
    """
    n, h, w, c = array.shape
    blurred = gaussian_filter(array.astype(np.float32), (0, 1 / factor, 1 / factor, 0))
    return blurred.reshape(n, h // factor, factor, w // factor, factor, c).mean(axis=(2, 4))


def quality(truth, estimate, bands):
    """Agreement of super-resolved bands with the truth, per band.

    Parameters
    ----------
    truth, estimate : (h, w, c) arrays
        Digital numbers.
    bands : sequence of str
        Names of the c bands.

    Returns
    -------
    DataFrame [band, RMSE, SRE, SSIM]
        Root mean square error in digital numbers; signal to reconstruction error, the squared mean over the mean square
        error in dB (Lanaras et al. 2018); structural similarity (Wang et al. 2004), over the truth's range.
    """
    truth, estimate = truth.astype(np.float64), estimate.astype(np.float64)
    rows = []
    for i, band in enumerate(bands):
        mse = np.mean((truth[..., i] - estimate[..., i]) ** 2)
        ssim = structural_similarity(truth[..., i], estimate[..., i], data_range=np.ptp(truth[..., i]))
        sre = 10 * np.log10(truth[..., i].mean() ** 2 / mse) if mse else np.inf
        rows.append((band, np.sqrt(mse), sre, ssim))
    return pd.DataFrame(rows, columns=["band", "RMSE", "SRE", "SSIM"])
