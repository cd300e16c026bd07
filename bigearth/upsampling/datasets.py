"""The datasets of the cube from native bands: as they are, upsampled bilinearly, or super-resolved by DSen2."""

import os
from pathlib import Path

import numpy as np

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS
from bigearth.upsampling.interpolation import interpolate


def make_datasets(
    native: dict[int, np.ndarray], upsampling: str, networks: dict | None = None
) -> dict[str, np.ndarray]:
    """Make what the cube holds of patches from their native bands.

    Parameters
    ----------
    native : dict
        Resolution in m to (n, size, size, bands) uint16.
    upsampling : str
        "none", "bilinear" or "dsen2": whether and how ``data_super`` is made.
    networks : dict, optional
        {20: keras.Model, 60: keras.Model}, for "dsen2".

    Returns
    -------
    dict
        Dataset name to (n, size, size, bands) uint16.
    """
    arrays = {DATASET_OF[metres]: array for metres, array in native.items()}
    if upsampling == "none":
        return arrays
    if upsampling == "dsen2":
        from bigearth.upsampling import dsen2

        upsampled = dsen2.super_resolve(native, networks or {})
    else:
        upsampled = {10: native[10]}
        for metres in (20, 60):
            upsampled[metres] = interpolate(native[metres], PIXELS[10])
    arrays[DATA_SUPER] = join_bands(upsampled)
    return arrays


def join_bands(upsampled: dict[int, np.ndarray]) -> np.ndarray:
    """Put the bands of all resolutions, brought to 10 m, into wavelength order.

    Parameters
    ----------
    upsampled : dict
        Native resolution in m to (n, h, w, bands) uint16, all of one size.

    Returns
    -------
    (n, h, w, 12) uint16 array
    """
    joined = np.empty((*upsampled[10].shape[:3], len(BANDS)), np.uint16)
    for metres, bands in BANDS_AT.items():
        columns = [BANDS.index(band) for band in bands]
        joined[..., columns] = upsampled[metres]
    return joined


def load_networks(upsampling: str, weights: str | Path) -> dict | None:
    """Load DSen2's networks where they are needed; None where they are not.

    Raises
    ------
    InputError
        ``weights`` is empty, or holds no networks.
    """
    if upsampling != "dsen2":
        return None
    if not weights:
        raise InputError("upsampling 'dsen2' needs weights: give the folder of its networks, or another upsampling")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded: else it prints its build
    from bigearth.upsampling.weights import load  # TensorFlow takes seconds to load, and the other ways do without it

    return load(resolve(weights))
