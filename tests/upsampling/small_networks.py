"""Small networks of DSen2 and random patches, for the tests of this folder."""

import keras
import numpy as np

from bigearth.patch import BANDS_AT
from bigearth.upsampling import dsen2


def small(seed=0):
    """Networks that look 4 pixels far, less than the border of a window, and change what they are given."""
    keras.utils.set_random_seed(seed)
    return {metres: dsen2.build(metres, features=4, blocks=1) for metres in dsen2.WINDOW}


def patches(n=2, side=120, seed=0):
    rng = np.random.default_rng(seed)
    return {
        m: rng.integers(0, 8000, (n, side * 10 // m, side * 10 // m, len(bands)), dtype=np.uint16)
        for m, bands in BANDS_AT.items()
    }
