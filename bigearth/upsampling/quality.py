"""How well bands are brought to a finer resolution: simulated coarse bands, and measures of agreement."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from bigearth.patch import BANDS_AT
from bigearth.upsampling.interpolation import interpolate

if TYPE_CHECKING:  # Keras takes seconds to load, and is needed only with networks
    import keras

Bands = dict[int, np.ndarray]

# Patches are cut to this side, which 6 x 60 m divides.
COMPARED_METRES = 1080


def reduce_resolution(array: np.ndarray, factor: int) -> np.ndarray:
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


def compare_bands(truth: np.ndarray, estimate: np.ndarray, bands: tuple[str, ...]) -> pd.DataFrame:
    """Measure the agreement of super-resolved bands with the truth, per band.

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


def estimate_bands(truth: Bands, networks: "dict[int, keras.Model] | None" = None) -> dict[tuple[int, str], np.ndarray]:
    """Make bands coarser and bring them back by every method.

    There is no truth at 10 m for a band of 20 m. As DSen2's authors do (Lanaras et al. 2018), all bands are made
    coarser by two (or six): then the measured 20 m (60 m) band is the truth, and the methods try to get back to it.

    Parameters
    ----------
    truth : dict
        Resolution in m to (n, size, size, bands), cut by `cut_patches`.
    networks : dict, optional
        {20: keras.Model, 60: keras.Model} of DSen2.

    Returns
    -------
    dict
        (resolution, method) to an array like the truth's: "bilinear", "bicubic" and, with networks, "DSen2".
    """
    estimates = {}
    for metres in (20, 60):
        factor = metres // 10
        coarse = reduce_resolution(truth[metres], factor)
        size = truth[metres].shape[1]
        for method in ("bilinear", "bicubic"):
            estimates[metres, method] = interpolate(coarse, size, method)
        if networks is not None:
            from bigearth.upsampling import dsen2

            reduced = {m: np.rint(reduce_resolution(array, factor)) for m, array in truth.items()}
            estimates[metres, "DSen2"] = dsen2.super_resolve(reduced, {metres: networks[metres]})[metres]
    return estimates


def compare_estimates(truth: Bands, estimates: dict[tuple[int, str], np.ndarray]) -> pd.DataFrame:
    """Compare what the methods made with the truth; all patches at once, one below the other.

    Parameters
    ----------
    truth : dict
        Resolution in m to (n, size, size, bands), cut by `cut_patches`.
    estimates : dict
        As `estimate_bands` returns them.

    Returns
    -------
    DataFrame [metres, method, band, RMSE, SRE, SSIM]
        See `compare_bands`.
    """
    parts = []
    for (metres, method), estimate in estimates.items():
        part = compare_bands(_stack(truth[metres]), _stack(estimate), BANDS_AT[metres])
        part.insert(0, "metres", metres)
        part.insert(1, "method", method)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def cut_patches(bands: Bands) -> Bands:
    """Cut patches to `COMPARED_METRES` from their upper left corner."""
    return {m: array[:, : COMPARED_METRES // m, : COMPARED_METRES // m] for m, array in bands.items()}


def _stack(patches: np.ndarray) -> np.ndarray:
    """Put patches one below the other: (n, h, w, c) to (n * h, w, c)."""
    return patches.reshape(-1, *patches.shape[2:])
