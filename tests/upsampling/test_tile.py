"""DSen2 on a whole tile."""

import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive.products import find_tiles
from bigearth.patch import BANDS, BANDS_AT
from bigearth.upsampling import dsen2
from bigearth.upsampling.tile import list_strips, super_resolve_tile
from tests.archive.small_products import pixels, write_product
from tests.upsampling.small_networks import small


def test_a_tile_in_windows_equals_the_tile_at_once(tmp_path):
    bands = pixels()
    write_product(tmp_path, bands, baseline="04.00", offset=-1000)
    (tile,) = find_tiles(tmp_path)
    super_resolve_tile(tile, small(), tmp_path / "out.tif")
    dataset = gdal.Open(str(tmp_path / "out.tif"))
    written = dict(zip(BANDS, dataset.ReadAsArray(), strict=True))
    raw = {m: np.stack([bands[b] for b in names], -1)[None].astype(int) for m, names in BANDS_AT.items()}
    clear = {m: np.maximum(array - 1000, 0).astype(np.uint16) for m, array in raw.items()}
    whole = dsen2.super_resolve(clear, small())
    for metres, names in BANDS_AT.items():
        for i, band in enumerate(names):
            assert abs(written[band].astype(int) - whole[metres][0, ..., i]).max() <= 1, band
    assert dataset.GetGeoTransform()[1] == 10
    assert not list(tmp_path.glob(".*partial*"))


@pytest.mark.parametrize("height", [120, 360, 1098, 10980])
def test_strips_cover_every_line_of_every_band_once(height):
    for metres in (10, 20, 60):
        row = 0
        for strip in list_strips(height):
            if strip.metres == metres:
                assert strip.row == row and strip.start <= row and strip.lines > 0
                row += strip.lines
        assert row == height
