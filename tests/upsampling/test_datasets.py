"""The datasets of the cube from native bands."""

import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.patch import BANDS, BANDS_20M
from bigearth.upsampling.datasets import join_bands, load_networks, make_datasets
from bigearth.upsampling.interpolation import interpolate
from tests.upsampling.small_networks import patches, small


def test_native_bands_stay_as_they_are():
    bands = patches(2)
    arrays = make_datasets(bands, "none")
    assert set(arrays) == {"data_10m", "data_20m", "data_60m"} and arrays["data_20m"] is bands[20]


def test_all_bands_at_10_m_in_wavelength_order():
    bands = patches(2)
    joined = make_datasets(bands, "bilinear")["data_super"]
    assert joined.shape == (2, 120, 120, 12) and joined.dtype == np.uint16
    columns = [BANDS.index(band) for band in BANDS_20M]
    np.testing.assert_array_equal(joined[..., columns], interpolate(bands[20], 120))
    np.testing.assert_array_equal(joined[..., BANDS.index("B04")], bands[10][..., 2])


def test_dsen2_needs_its_networks():
    with pytest.raises(InputError, match="needs weights"):
        load_networks("dsen2", "")
    assert load_networks("bilinear", "") is None
    assert make_datasets(patches(1), "dsen2", small())["data_super"].shape == (1, 120, 120, 12)


def test_bands_are_joined_by_name():
    size = (1, 4, 4)
    upsampled = {10: np.full((*size, 4), 10), 20: np.full((*size, 6), 20), 60: np.full((*size, 2), 60)}
    joined = join_bands(upsampled)
    assert joined[0, 0, 0, [BANDS.index("B01"), BANDS.index("B02"), BANDS.index("B05")]].tolist() == [60, 10, 20]
