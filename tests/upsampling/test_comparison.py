"""The methods compared on patches of a cube."""

import h5py
import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.upsampling.comparison import MethodComparison, read_rows
from bigearth.upsampling.weights import TRAINED
from tests.upsampling.small_networks import small


def test_rows_are_evenly_spread(tiny_cube):
    bands = read_rows(tiny_cube, 5)
    with h5py.File(tiny_cube) as file:
        n = len(file["classes"])
        np.testing.assert_array_equal(bands[20][[0, -1]], file["data_20m"][[0, n - 1]])
    assert len(read_rows(tiny_cube, 10_000)[60]) == n


def test_every_method_is_in_the_table(tiny_cube, tmp_path):
    for metres, network in small().items():
        network.save(tmp_path / TRAINED[metres])
    compared = MethodComparison(tiny_cube, 3, tmp_path)
    assert len(compared.tabulate_bands()) == 8
    assert set(compared.average_errors()) == {"bilinear", "bicubic", "DSen2"}
    images = compared.show_patch(20, "B11")
    assert list(images) == ["measured", "bilinear", "bicubic", "DSen2"] and images["DSen2"].shape == (54, 54)
    assert set(MethodComparison(tiny_cube, 3).average_errors()) == {"bilinear", "bicubic"}


def test_no_cube(tmp_path):
    with pytest.raises(InputError, match="is missing"):
        read_rows(tmp_path / "absent.h5", 3)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read"):
        read_rows(tmp_path / "text.h5", 3)
