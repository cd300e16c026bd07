"""The datasets of the cube from native bands: as they are, upsampled bilinearly, or super-resolved by DSen2."""

import numpy as np

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS
from bigearth.upsampling.interpolation import bilinear


def datasets(native, upsampling, networks=None):
    """What the cube holds of native bands, resolution to (n, size, size, bands): dataset name to rows."""
    arrays = {DATASET_OF[metres]: array for metres, array in native.items()}
    if upsampling == "none":
        return arrays
    if upsampling == "dsen2":
        from bigearth.upsampling import dsen2

        upsampled = dsen2.super_resolve(native, networks)
    else:
        upsampled = {m: array if m == 10 else bilinear(array, PIXELS[10]) for m, array in native.items()}
    joined = np.empty((*native[10].shape[:3], len(BANDS)), np.uint16)
    for metres, bands in BANDS_AT.items():
        joined[..., [BANDS.index(band) for band in bands]] = upsampled[metres]
    return arrays | {DATA_SUPER: joined}


def load_networks(upsampling, weights):
    """DSen2's networks, where they are needed."""
    if upsampling != "dsen2":
        return None
    if not weights:
        raise InputError("upsampling 'dsen2' needs weights: give the folder of its networks, or another upsampling")
    from bigearth.upsampling import dsen2  # TensorFlow takes seconds to load, and the other ways do without it

    return dsen2.load(resolve(weights))
