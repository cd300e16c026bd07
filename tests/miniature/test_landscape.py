"""The land cover of a tile: its recipe's classes, the sea's share, borders at 10 m."""

import numpy as np
import pytest

from bigearth.miniature.landscape import CODE, SEA, draw_cover
from bigearth.miniature.places import TILES


@pytest.fixture(scope="module")
def covers():
    return {tile.name: draw_cover(tile, 6, np.random.default_rng(1)) for tile in TILES}


def test_a_cover_has_120_pixels_per_patch(covers):
    for cover, height in covers.values():
        assert cover.shape == height.shape == (720, 720)
        assert cover.dtype == np.uint8 and cover.max() < len(CODE)


def test_classes_are_those_of_the_recipe(covers):
    for tile in TILES:
        named = {int(item.split(":")[0]) for item in f"{tile.base} {tile.places}".split()}
        assert set(CODE[np.unique(covers[tile.name][0])].tolist()) <= named | {111, SEA}


def test_the_sea_has_about_its_share(covers):
    for tile in TILES:
        share = (CODE[covers[tile.name][0]] == SEA).mean()
        assert tile.sea / 3 <= share <= tile.sea + 0.01  # flats, harbours and estuaries take a part of it
