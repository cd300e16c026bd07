"""The tiles' recipes: all 43 classes, shares that sum to one, places that are known."""

from bigearth.archive.metadata_v2 import tile_corner
from bigearth.labels import CLC_CODE
from bigearth.miniature.places import PLACES, TILES


def read_recipe(text):
    return {int(code): float(number) for code, number in (item.split(":") for item in text.split())}


def test_the_recipes_hold_every_class():
    codes = {code for tile in TILES for code in read_recipe(f"{tile.base} {tile.places}")}
    assert codes | {111, 523} == set(CLC_CODE.values())  # every city has a core; the sea is no recipe's


def test_every_region_has_a_size_and_a_place():
    for tile in TILES:
        assert set(read_recipe(tile.places)) - {122, 511} <= set(PLACES)


def test_tiles_lie_where_their_names_say():
    for tile in TILES:
        assert (tile.epsg, tile.x) == tile_corner(tile.name)[:2] and abs(tile.y - tile_corner(tile.name)[2]) <= 60
