"""How well bands were brought to a finer resolution: simulated coarse bands, and measures of agreement."""

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity


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
