"""Random fields with a power-law spectrum, of which relief, borders, clouds and textures are made."""

import numpy as np
from scipy import fft


def draw_field(rng: np.random.Generator, size: int, slope: float = 3.0, longest: float = 1.0) -> np.ndarray:
    """Draw a random field with a power-law spectrum, mean 0 and standard deviation 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Pixels per side.
    slope : float
        Exponent of the power spectrum's decay: 0 is white noise, 3 - 4 is terrain.
    longest : float
        Longest wavelength as a share of the side.

    Returns
    -------
    numpy.ndarray
        size x size, float32.
    """
    spectrum = fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    frequency = np.hypot(fft.fftfreq(size)[:, None], fft.rfftfreq(size)[None]).astype(np.float32) * size
    gain = np.maximum(frequency, 1 / longest) ** np.float32(-slope / 2)
    gain[0, 0] = 0
    field = fft.irfft2(spectrum * gain, (size, size))
    return field / field.std()
