"""Band files of tiles: missing, damaged, of another kind."""

import os

import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive.windows import find_windows, read_windows
from bigearth.errors import InputError
from tests.archive.small_products import pixels, table, write_band, write_product


def read_tile_patches(folder, rows):
    """All windows of a table: (position in the table, pixels)."""
    for windows in find_windows(folder, rows):
        yield from read_windows(windows)


@pytest.fixture(scope="module")
def bands():
    return pixels()


def refused(folder, rows, match):
    with pytest.raises(InputError, match=match):
        find_windows(folder, rows)


def test_a_missing_band_is_refused(tmp_path, bands):
    product = write_product(tmp_path, bands)
    next(product.rglob("*_B11_20m.jp2")).unlink()
    refused(tmp_path, table([(0, 0)]), "B11")


def test_a_band_that_is_no_image_is_refused(tmp_path, bands):
    product = write_product(tmp_path, bands)
    next(product.rglob("*_B02_10m.jp2")).write_bytes(b"not an image")
    refused(tmp_path, table([(0, 0)]), "B02_10m.jp2 cannot be read")


def test_a_band_cut_short_is_refused(tmp_path, bands):
    product = write_product(tmp_path, bands)
    path = next(product.rglob("*_B03_10m.jp2"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="B03_10m.jp2 is damaged near column 240, row 240"):
        list(read_tile_patches(tmp_path, table([(2, 2)])))


def test_a_band_of_another_kind_is_refused(tmp_path, bands):
    product = write_product(tmp_path, bands, suffix="tif")
    path = next(product.rglob("*_B03_10m.tif"))
    write_band(path, (bands["B03"] // 256).astype(np.uint8), 10)
    refused(tmp_path, table([(0, 0)]), "B03_10m.tif has 1 band.s. of Byte, not one of UInt16")
    gdal.Translate(str(path), str(next(product.rglob("*_B02_10m.tif"))), format="VRT")
    refused(tmp_path, table([(0, 0)]), "B03_10m.tif cannot be read")
    path.unlink()
    os.mkfifo(path)
    refused(tmp_path, table([(0, 0)]), "B03_10m.tif is a pipe")


def test_files_that_macos_leaves_beside_the_bands_are_not_read(tmp_path, bands):
    product = write_product(tmp_path, bands, suffix="tif")
    for path in list(product.rglob("*.tif")):
        path.with_name(f"._{path.name}").write_bytes(b"Mac OS X")
    assert len(list(read_tile_patches(tmp_path, table([(0, 0)])))) == 1
