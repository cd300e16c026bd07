"""Units of work: every row once, whatever the number of ranks; tiles are read in raster order."""

import numpy as np
import pytest

from bigearth.archive.folders import FolderArchive
from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patch
from bigearth.archive.windows import find_windows
from bigearth.cube.units import read_units, share_slabs, share_tiles
from bigearth.miniature.products import write_products


@pytest.mark.parametrize("ranks", [1, 2, 3, 20])
def test_slabs_cover_every_row_once(ranks):
    folders = [f"patch-{i}" for i in range(37)]
    units = [unit for rank in range(ranks) for unit in share_slabs(folders, [], 5, rank, ranks)]
    assert np.concatenate([unit.rows for unit in units]).tolist() == list(range(37))
    assert [folder for unit in units for folder in unit.folders] == folders
    assert len({unit.name for unit in units}) == len(units)


def test_slabs_in_the_order_of_an_archive():
    folders = [f"patch-{i}" for i in range(7)]
    order = np.array([3, 1, 6, 0, 2, 5, 4])
    units = [unit for rank in range(2) for unit in share_slabs(folders, [], 2, rank, 2, order)]
    assert [unit.rows.tolist() for unit in units] == [[3, 1], [6, 0], [2, 5], [4]]
    assert [unit.folders for unit in units][1] == ["patch-6", "patch-0"]


@pytest.fixture(scope="module")
def tiles(tiny_archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    write_products(folder, tiny_archive)
    index = read_index(tiny_archive, folder)
    return find_windows(folder, index), index


@pytest.mark.parametrize("ranks", [1, 2, 7])
def test_tiles_cover_every_row_once(tiles, ranks):
    windows, index = tiles
    units = [unit for rank in range(ranks) for unit in share_tiles(windows, 4, "longest_first", rank, ranks)]
    assert sorted(np.concatenate([unit.rows for unit in units])) == list(range(len(index)))
    assert len({unit.name for unit in units}) == len(units)


def test_any_units_of_a_tile_have_their_own_pixels(tiles, tiny_archive):
    windows, index = tiles
    units = share_tiles(windows, 4, "longest_first", 0, 1)
    chosen = [units[0], units[2], units[-1]]  # a gap between them, and another tile
    for unit, native in read_units(chosen, FolderArchive(tiny_archive)):
        for i, row in enumerate(unit.rows):
            expected = read_patch(tiny_archive / index.folder[row])
            np.testing.assert_array_equal(native[20][i], expected[20])
