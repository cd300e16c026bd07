"""Rivers reach the sea or the other border; roads cross the tile and go around water."""

import numpy as np
from scipy import ndimage

from bigearth.miniature.courses import draw_river, draw_road

SIZE = 240


def test_a_river_crosses_the_land_in_the_valley():
    height = np.abs(np.mgrid[:SIZE, :SIZE][0] - 120) / 100.0
    sites = {}
    river = draw_river(height, np.zeros((SIZE, SIZE), bool), sites)
    assert river[:, 0].any() and river[:, -1].any() and ndimage.label(river)[1] == 1
    assert abs(np.flatnonzero(river[:, SIZE // 2]).mean() - 120) < 20
    assert sites["river"].max() == 1 and "mouth" not in sites


def test_a_river_ends_at_the_sea():
    sea = np.zeros((SIZE, SIZE), bool)
    sea[:, 150:] = True
    sites = {}
    river = draw_river(np.random.default_rng(0).random((SIZE, SIZE)), sea, sites)
    assert river[:, :140].any() and not (river & sea).any()
    rows, columns = np.nonzero(sites["mouth"] > 1)
    assert 130 < columns.mean() < 180


def test_a_road_goes_around_water():
    codes = np.full((SIZE, SIZE), 211)
    codes[100:140, 90:130] = 512  # straight on, the road would cross it
    road = draw_road(np.random.default_rng(0).random((SIZE, SIZE)) / 100, codes)
    assert road[:8].any() and road[-8:].any() and ndimage.label(road)[1] == 1
    assert not (road & (codes == 512)).any()
