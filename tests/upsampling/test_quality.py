"""Bands made coarser and brought back, and measures of agreement."""

import numpy as np
import pytest

from bigearth.upsampling.quality import compare_bands, compare_estimates, cut_patches, estimate_bands, reduce_resolution
from tests.upsampling.small_networks import patches, small


def test_a_flat_band_stays_flat_and_a_mean_stays_a_mean():
    flat = np.full((1, 12, 12, 2), 500, np.uint16)
    np.testing.assert_allclose(reduce_resolution(flat, 6), 500, rtol=1e-6)
    assert reduce_resolution(flat, 2).shape == (1, 6, 6, 2)


def test_measures_of_agreement():
    truth = np.random.default_rng(0).integers(500, 1500, (64, 64, 1))
    same = compare_bands(truth, truth, ("B05",)).iloc[0]
    assert same.RMSE == 0 and same.SRE == np.inf and same.SSIM == pytest.approx(1)
    off = compare_bands(truth, truth + 10, ("B05",)).iloc[0]
    assert off.RMSE == pytest.approx(10)
    assert off.SRE == pytest.approx(10 * np.log10(truth.mean() ** 2 / 100))


def test_every_method_is_compared_per_band():
    bands = cut_patches(patches(2))
    assert bands[10].shape[1] == 108
    estimates = estimate_bands(bands, small())
    assert set(estimates) == {(m, method) for m in (20, 60) for method in ("bilinear", "bicubic", "DSen2")}
    for (metres, _), estimate in estimates.items():
        assert estimate.shape == bands[metres].shape
    table = compare_estimates(bands, estimates)
    assert len(table) == 3 * (6 + 2) and table.notna().all(axis=None)


def test_without_networks_only_interpolation_is_compared():
    assert {method for _, method in estimate_bands(cut_patches(patches(1)))} == {"bilinear", "bicubic"}
