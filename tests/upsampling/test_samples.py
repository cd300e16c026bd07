"""Samples for DSen2's training: patches, windows of tiles, pairs at reduced resolution, crops."""

import numpy as np
import pytest

from bigearth.upsampling import dsen2, samples
from tests.archive.small_products import pixels, write_product
from tests.upsampling.small_networks import patches


@pytest.mark.parametrize("metres", [20, 60])
def test_pairs_are_at_reduced_resolution(metres):
    inputs, truth = samples.make_pairs(patches(2), metres)
    side = 60 if metres == 20 else 18  # 20 is no multiple of 6
    assert {array.shape[1:3] for array in (*inputs, truth)} == {(side, side)}
    assert [array.shape[-1] for array in inputs] == ([4, 6] if metres == 20 else [4, 6, 2])
    np.testing.assert_allclose(truth * dsen2.SCALE, patches(2)[metres][:, :side, :side], rtol=1e-6)


def test_patches_of_an_archive_and_windows_of_tiles(tiny_archive, tmp_path):
    rng = np.random.default_rng(1)
    bands = samples.sample_patches(tiny_archive, tmp_path, 5, rng)
    assert {m: array.shape for m, array in bands.items()} == {
        10: (5, 120, 120, 4),
        20: (5, 60, 60, 6),
        60: (5, 20, 20, 2),
    }
    write_product(tmp_path, pixels())
    bands = samples.sample_tiles(tmp_path, 3, rng, side=600)
    assert {m: array.shape for m, array in bands.items()} == {
        10: (3, 60, 60, 4),
        20: (3, 30, 30, 6),
        60: (3, 10, 10, 2),
    }


def test_crops_show_input_and_truth_of_the_same_place():
    place = np.arange(2 * 40 * 40, dtype=np.float32).reshape(2, 40, 40, 1)
    (inputs,), truth = next(samples.draw_crops([place], place, 16, 4, np.random.default_rng(3)))
    assert truth.shape == (4, 16, 16, 1)
    np.testing.assert_array_equal(inputs, truth)
