"""DSen2: networks that bring the 20 m and 60 m bands to 10 m with the 10 m bands as guide.

Written after Lanaras et al., Super-resolution of Sentinel-2 images: Learning a globally applicable deep neural network,
ISPRS Journal 146 (2018). One network is for 20 m, one for 60 m.
"""

import keras
import numpy as np
from keras import layers

from bigearth.patch import BANDS_AT
from bigearth.upsampling.interpolation import interpolate

SCALE = 2000  # digital numbers are divided by it before they enter a network
# Pixels of 10 m that a network sees at a time, and the border that is cut off afterwards.
WINDOW = {20: (128, 8), 60: (192, 12)}
# Resolutions that enter each network, its own last.
GUIDES = {20: (10, 20), 60: (10, 20, 60)}

Bands = dict[int, np.ndarray]  # resolution in m to (n, h, w, bands)


def build(metres: int, features: int = 128, blocks: int = 6) -> keras.Model:
    """Build the network for the bands of one resolution.

    Parameters
    ----------
    metres : int
        20 or 60: the bands to bring to 10 m.
    features, blocks : int
        128 and 6 in DSen2 (1.8 million parameters); 256 and 32 in VDSen2.

    Returns
    -------
    keras.Model
        From the 10 m, 20 m [and 60 m] bands, all brought to 10 m and divided by `SCALE`, to those of the last.
    """
    inputs = []
    for m in GUIDES[metres]:
        inputs.append(layers.Input((None, None, len(BANDS_AT[m])), name=f"bands_{m}m"))

    x = _convolve(layers.Concatenate()(inputs), features, "relu")
    for _ in range(blocks):
        residual = _convolve(x, features, "relu")
        residual = _convolve(residual, features)
        residual = layers.Rescaling(0.1)(residual)
        x = layers.Add()([x, residual])
    x = _convolve(x, len(BANDS_AT[metres]))
    return keras.Model(inputs, layers.Add()([x, inputs[-1]]), name=f"dsen2_{metres}m")


def super_resolve(bands: Bands, models: dict[int, keras.Model], batch: int = 16) -> Bands:
    """Bring patches to 10 m. A patch sees nothing beyond its own border, which is mirrored.

    Parameters
    ----------
    bands : dict
        {10: (n, h, w, 4), 20: (n, h/2, w/2, 6), 60: (n, h/6, w/6, 2)}, digital numbers.
    models : dict
        {20: keras.Model, 60: keras.Model}, see `weights.load`.
    batch : int
        Patches at a time.

    Returns
    -------
    dict
        {10: as given, 20: (n, h, w, 6), 60: (n, h, w, 2)}, uint16.
    """
    result = {10: bands[10]}
    for metres, model in models.items():
        border = WINDOW[metres][1]
        result[metres] = np.empty((*bands[10].shape[:3], len(BANDS_AT[metres])), np.uint16)
        for first in range(0, len(bands[10]), batch):
            mirrored = {}
            for m in GUIDES[metres]:
                mirrored[m] = mirror(bands[m][first : first + batch], (border * 10 // m,) * 4)
            result[metres][first : first + batch] = predict(model, mirrored, metres)
    return result


def predict(model: keras.Model, bands: Bands, metres: int) -> np.ndarray:
    """Apply a network to windows and cut off their border.

    Parameters
    ----------
    model : keras.Model
        See `build`.
    bands : dict
        Resolution in m to (n, h, w, bands): windows with their border, digital numbers.
    metres : int
        20 or 60.

    Returns
    -------
    (n, h, w, bands) uint16 array
        Digital numbers at 10 m, without the border.
    """
    border = WINDOW[metres][1]
    predicted = np.asarray(model.predict_on_batch(network_inputs(bands, metres)))
    inner = predicted[:, border:-border, border:-border]
    return np.clip(np.rint(inner * SCALE), 0, 65535).astype(np.uint16)


def network_inputs(bands: Bands, metres: int) -> list[np.ndarray]:
    """Bring all bands to the grid of the finest and scale them, as `build`'s networks take them."""
    height, width = bands[10].shape[1:3]
    inputs = []
    for m in GUIDES[metres]:
        scaled = bands[m].astype(np.float32) / SCALE
        inputs.append(scaled if m == 10 else interpolate(scaled, (height, width)))
    return inputs


def mirror(array: np.ndarray, borders: tuple[int, int, int, int]) -> np.ndarray:
    """Extend patches (n, h, w, bands) by mirrored borders of so many pixels: top, bottom, left, right."""
    top, bottom, left, right = borders
    return np.pad(array, ((0, 0), (top, bottom), (left, right), (0, 0)), mode="symmetric")


def _convolve(x: keras.KerasTensor, filters: int, activation: str | None = None) -> keras.KerasTensor:
    return layers.Conv2D(
        filters,
        3,
        padding="same",
        data_format="channels_last",  # whatever ~/.keras/keras.json says: the cube's order
        activation=activation,
        kernel_initializer="he_uniform",
    )(x)
