"""The grid of a map: windows reach every border, and pixels hold the mean of the windows over them."""

import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.mapping.grid import average_windows, find_cover, find_starts, make_grid


@pytest.mark.parametrize(
    ("metres", "stride", "starts"),
    [
        (2400, 1200, [0, 20]),
        (1200, 1200, [0]),
        (10680, 1200, [0, 20, 40, 60, 80, 100, 120, 140, 158]),  # the last one is shifted back
        (2400, 600, [0, 10, 20]),
        (2460, 840, [0, 14, 21]),
    ],
)
def test_windows_reach_the_border(metres, stride, starts):
    assert find_starts(metres // 60, stride // 60).tolist() == starts


@pytest.mark.parametrize("stride", [60, 420, 840, 1200])
@pytest.mark.parametrize("metres", [1200, 2580, 10680])
def test_every_pixel_is_covered_and_a_shifted_window_only_fills_the_rest(metres, stride):
    grid = make_grid(metres, metres, stride)
    cover = find_cover(grid.width, grid.stride, grid.pixel)
    starts = grid.columns
    assert cover.shape == (len(starts), grid.shape[1]) and cover.any(axis=0).all()
    if starts[-1] % grid.stride:
        assert not (cover[-1] & cover[:-1].any(axis=0)).any() and cover[-1].any()


def test_pixels_are_as_large_as_the_borders_allow():
    assert make_grid(12000, 4800, 1200).pixel * 60 == 1200
    assert make_grid(109800, 109800, 1200).pixel * 60 == 600  # a whole tile: 91.5 patches wide
    assert make_grid(10680, 10680, 1200).pixel * 60 == 120
    assert make_grid(12000, 12000, 540).pixel * 60 == 60


@pytest.mark.parametrize(("size", "stride"), [((2580, 3780), 1200), ((2400, 3600), 600), ((4800, 2460), 420)])
def test_average_equals_a_loop_over_pixels(size, stride):
    grid = make_grid(*size, stride)
    rng = np.random.default_rng(0)
    scores = rng.random((len(grid.rows), len(grid.columns), 3), np.float32)
    scores[0, 0] = np.nan
    blocks = dict(average_windows(scores, grid))
    found = np.concatenate([blocks[first] for first in sorted(blocks)])
    down = find_cover(grid.height, grid.stride, grid.pixel)
    across = find_cover(grid.width, grid.stride, grid.pixel)
    expected = np.full((*grid.shape, 3), np.nan)
    for row, column in np.ndindex(grid.shape):
        over = scores[down[:, row]][:, across[:, column]].reshape(-1, 3)
        over = over[~np.isnan(over[:, 0])]
        if len(over):
            expected[row, column] = over.mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_pixel_of_one_window_holds_its_score_to_the_last_bit():
    grid = make_grid(3600, 3600, 1200)
    scores = np.random.default_rng(1).random((3, 3, 5), np.float32)
    found = np.concatenate([block for _, block in average_windows(scores, grid)])
    np.testing.assert_array_equal(found, scores)


@pytest.mark.parametrize("stride", [0, 59, 1260, -60, 90])
def test_impossible_strides(stride):
    with pytest.raises(InputError, match="multiple of 60 m up to 1200"):
        make_grid(2400, 2400, stride)


def test_a_scene_smaller_than_a_patch():
    with pytest.raises(InputError, match="smaller than a patch"):
        make_grid(2400, 1140, 600)
