"""DSen2's networks, and patches brought to 10 m by them."""

import keras
import numpy as np
import pytest

from bigearth.upsampling import dsen2
from bigearth.upsampling.interpolation import interpolate
from tests.upsampling.small_networks import patches, small


@pytest.mark.parametrize(("metres", "count", "bands_in", "bands_out"), [(20, 1_789_574, 10, 6), (60, 1_787_266, 12, 2)])
def test_layers_and_parameters_as_published(metres, count, bands_in, bands_out):
    model = dsen2.build(metres)
    assert model.count_params() == count
    kernels = [weight.shape for weight in model.weights if len(weight.shape) == 4]
    assert kernels == [(3, 3, bands_in, 128)] + 12 * [(3, 3, 128, 128)] + [(3, 3, 128, bands_out)]


def test_the_residual_is_scaled_and_the_upsampled_bands_are_added():
    model = small()[20]
    x = [np.random.default_rng(i).random((1, 9, 9, c), dtype=np.float32) for i, c in ((0, 4), (1, 6))]
    (k1, b1), (k2, b2), (k3, b3), (k4, b4) = zip(*[iter(model.get_weights())] * 2, strict=True)

    def convolve(x, kernel, bias):
        return keras.ops.conv(x, kernel, padding="same") + bias

    y = keras.ops.relu(convolve(np.concatenate(x, axis=-1), k1, b1))
    y = y + 0.1 * convolve(keras.ops.relu(convolve(y, k2, b2)), k3, b3)
    np.testing.assert_allclose(model.predict_on_batch(x), convolve(y, k4, b4) + x[1], rtol=1e-4, atol=1e-5)


def silent():
    """Networks that add nothing to the interpolated bands."""
    models = small()
    for model in models.values():
        model.layers[-2].kernel.assign(0 * model.layers[-2].kernel)
    return models


def test_patches_come_out_interpolated_plus_what_the_network_adds():
    bands = patches(3)
    result = dsen2.super_resolve(bands, silent(), batch=2)
    assert result[10] is bands[10]
    for metres in (20, 60):
        assert result[metres].dtype == np.uint16
        difference = result[metres].astype(int) - interpolate(bands[metres], 120)
        assert abs(difference).max() <= 1  # digital numbers: float32 against GDAL's rounding
    changed = dsen2.super_resolve(bands, small(), batch=2)
    assert (changed[20] != result[20]).mean() > 0.5
    one = dsen2.super_resolve({m: a[2:] for m, a in bands.items()}, small())
    np.testing.assert_array_equal(changed[60][2:], one[60])
