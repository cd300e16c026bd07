"""Names and XML of the miniature's products, as the reader of products finds them."""

from xml.etree import ElementTree

import pytest

from bigearth.archive.products import read_product
from bigearth.miniature.places import TILES
from bigearth.miniature.product_metadata import OFFSET, name_product, write_metadata
from bigearth.patch import BANDS

TILE = TILES[3]


@pytest.mark.parametrize(("baseline", "older"), [("02.06", False), ("02.04", True), ("05.00", False)])
def test_a_product_is_read_back(tmp_path, baseline, older):
    names = name_product(TILE, baseline, older)
    product = tmp_path / names.product
    (product / "GRANULE" / names.granule).mkdir(parents=True)
    write_metadata(product, names, TILE, baseline, older, 2400)
    (tile,) = read_product(product)
    assert tile.key == (TILE.mission, TILE.sensed, TILE.name) and tile.baseline == baseline
    assert tile.offset == dict.fromkeys(BANDS, OFFSET if baseline == "05.00" else 0)


def test_the_outline_is_closed_and_lies_in_its_zone(tmp_path):
    names = name_product(TILE, "05.00", False)
    (tmp_path / "GRANULE" / names.granule).mkdir(parents=True)
    write_metadata(tmp_path, names, TILE, "05.00", False, 109_800)
    numbers = [float(text) for text in ElementTree.parse(tmp_path / names.metadata).findtext(".//EXT_POS_LIST").split()]
    assert numbers[:2] == numbers[-2:] and len(numbers) == 10
    assert all(47 < latitude < 50 for latitude in numbers[::2])  # T33UWP, in Austria
    assert all(14 < longitude < 17 for longitude in numbers[1::2])
