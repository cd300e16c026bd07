"""Interpolation of bands."""

import numpy as np
import pytest

from bigearth.upsampling.interpolation import interpolate


def by_definition(patches, size):
    """Bilinear interpolation in exact integers: half-pixel centres, clamped edge, ties rounded up."""

    def taps(n):
        position = np.clip((2 * np.arange(size) + 1) * n - size, 0, 2 * size * (n - 1))  # in units of 1 / (2 * size)
        low, weight = np.divmod(position, 2 * size)
        return low, np.minimum(low + 1, n - 1), weight

    x = patches.astype(np.int64)
    low, high, weight = taps(patches.shape[1])
    x = x[:, low] * (2 * size - weight)[:, None, None] + x[:, high] * weight[:, None, None]
    low, high, weight = taps(patches.shape[2])
    x = x[:, :, low] * (2 * size - weight)[:, None] + x[:, :, high] * weight[:, None]
    return (x + 2 * size**2) // (4 * size**2)


@pytest.mark.parametrize(("side", "channels"), [(60, 6), (20, 2)])
def test_bilinear_is_the_interpolation_it_says(side, channels):
    patches = np.random.default_rng(3).integers(0, 65536, (5, side, side, channels), dtype=np.uint16)
    result = interpolate(patches, 120)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result, by_definition(patches, 120))


def test_bilinear_takes_any_memory_layout():
    patches = np.random.default_rng(3).integers(0, 65536, (3, 60, 60, 6), dtype=np.uint16)
    strided = np.moveaxis(np.ascontiguousarray(np.moveaxis(patches, -1, 0)), 0, -1)
    strided.flags.writeable = False
    np.testing.assert_array_equal(interpolate(strided, 120), interpolate(patches, 120))
    np.testing.assert_array_equal(interpolate(patches[:, ::-1], 120), interpolate(patches, 120)[:, ::-1])
