"""The bands of a tile at 10 m on the disk: shared by ranks, read back by windows, and found damaged."""

import numpy as np
import pytest

from bigearth.archive.products import find_tiles
from bigearth.archive.tile_pixels import open_bands
from bigearth.upsampling.super_resolved import SuperResolved, count_strips, super_resolve_share
from bigearth.upsampling.tile import list_strips, make_strip
from tests.archive.small_products import pixels, write_product
from tests.upsampling.small_networks import small

SIDE = 360  # of the tile, in pixels of 10 m


@pytest.fixture(scope="module")
def tile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    write_product(folder, pixels(), suffix="tif")
    return find_tiles(folder)[0]


@pytest.fixture
def store(tmp_path):
    store = SuperResolved(tmp_path / "super", SIDE, SIDE)
    store.create()
    return store


def test_ranks_share_a_tile(tile, store):
    assert store.is_begun() and count_strips(store.folder) == (0, len(list_strips(SIDE)))
    for rank in range(2):
        super_resolve_share(tile, store, set(), small, rank, 2)
    assert store.find_written() == set(range(len(list_strips(SIDE))))
    assert sorted(path.name for path in store.folder.glob("journal-*")) == ["journal-0.txt", "journal-1.txt"]
    windows = store.read_windows(120, np.array([0, 90]), 60)
    assert windows.shape == (2, 60, 60, 12) and windows.dtype == np.uint16
    copied = make_strip(
        tile, open_bands(tile), next(s for s in list_strips(SIDE) if (s.metres, s.row) == (10, 120)), {}
    )
    np.testing.assert_array_equal(windows[1, ..., 1], copied[0, :60, 90:150])


def test_what_is_whole_is_not_made_again(tile, store):
    super_resolve_share(tile, store, set(), small, 0, 1)
    with open(store.folder / "bands.u16", "r+b") as file:
        file.write(b"damaged!")
    written = store.find_written()
    assert len(written) == len(list_strips(SIDE)) - 1
    loaded = []
    super_resolve_share(tile, store, written, lambda: loaded.append(1) or small(), 0, 1)
    assert store.find_written() == set(range(len(list_strips(SIDE)))) and loaded == [1]
    super_resolve_share(tile, store, store.find_written(), lambda: pytest.fail("loaded for nothing"), 0, 1)


def test_a_file_of_another_size_is_not_begun(store):
    assert not SuperResolved(store.folder, SIDE, SIDE + 60).is_begun()
    assert count_strips(store.folder / "absent") == (0, 0)
