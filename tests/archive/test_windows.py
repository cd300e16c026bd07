"""Windows from Sentinel-2 products: which tile, which pixels, which values, and what is refused."""

import re

import numpy as np
import pandas as pd
import pytest
from osgeo import gdal

from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patch
from bigearth.archive.windows import describe_radiometry, find_windows, read_windows
from bigearth.errors import InputError
from bigearth.miniature.products import write_products
from bigearth.patch import BANDS, BANDS_AT, RESOLUTION, SATURATED
from tests.archive.small_products import TILE, TIME, pixels, table, window, write_band, write_product


def read_tile_patches(folder, rows):
    """All windows of a table: (position in the table, pixels)."""
    for windows in find_windows(folder, rows):
        yield from read_windows(windows)


@pytest.fixture(scope="module")
def bands():
    return pixels()


@pytest.fixture(scope="module")
def products(tmp_path_factory, bands):
    folder = tmp_path_factory.mktemp("tiles")
    write_product(folder, bands)
    return folder


@pytest.mark.parametrize("older", [False, True])
def test_windows_are_the_pixels_of_the_tile_in_raster_order(tmp_path, bands, older):
    write_product(tmp_path, bands, older=older)
    positions = [(1, 2), (0, 0), (2, 0), (2, 1), (0, 1)]
    seen = []
    for i, patch in read_tile_patches(tmp_path, table(positions)):
        seen.append(i)
        for metres in BANDS_AT:
            np.testing.assert_array_equal(patch[metres], window(bands, metres, *positions[i]))
            assert patch[metres].dtype == np.uint16
    assert seen == [1, 2, 4, 3, 0]


def test_an_offset_is_taken_from_the_metadata_removed_and_recorded(tmp_path, bands):
    product = write_product(tmp_path, bands, baseline="05.00", offset=-1000)
    (_, patch), *_ = read_tile_patches(tmp_path, table([(1, 1)]))
    for metres in BANDS_AT:
        raw = window(bands, metres, 1, 1).astype(int)
        assert (raw < 1000).any()
        np.testing.assert_array_equal(patch[metres], np.maximum(raw - 1000, 0))
    record = describe_radiometry(find_windows(tmp_path, table([(1, 1)])))
    assert record == {product.name: {"baseline": "05.00", "offset": dict.fromkeys(BANDS, -1000)}}


def test_a_patch_finds_its_tile_among_others_of_the_same_time(tmp_path, bands):
    write_product(tmp_path, bands)
    write_product(tmp_path, pixels(1), tile="T33UVP")
    write_product(tmp_path, pixels(2), time="20170623T101031")
    rows = pd.concat([table([(1, 1)], tile="T33UVP"), table([(1, 1), (2, 2)])], ignore_index=True)
    rows.loc[0, "patch"] = "the neighbour's"
    cuts = find_windows(tmp_path, rows)
    assert [len(cut.rows) for cut in cuts] == [2, 1]
    patches = dict(read_tile_patches(tmp_path, rows))
    np.testing.assert_array_equal(patches[0][10], window(pixels(1), 10, 1, 1))
    np.testing.assert_array_equal(patches[1][10], window(bands, 10, 1, 1))


def test_names_of_v2_patches_name_the_tile(products):
    rows = table([(1, 1)]).drop(columns="tile_source")
    rows["patch"] = f"S2A_MSIL2A_{TIME}_N9999_R022_{TILE}_1_1"
    assert len(list(read_tile_patches(products, rows))) == 1
    rows["patch"] = f"S2A_MSIL2A_{TIME}_1_1"
    with pytest.raises(InputError, match="tile_source"):
        find_windows(products, rows)


@pytest.mark.parametrize(("baseline", "older"), [("02.06", False), ("02.06", True), ("05.00", False)])
def test_products_of_the_miniature_give_the_archives_pixels(tiny_archive, tmp_path, baseline, older):
    products = write_products(tmp_path / "tiles", tiny_archive, baseline=baseline, older=older)
    index = read_index(tiny_archive, tmp_path)
    assert len(products) == index.tile.nunique()
    seen = set()
    for i, patch in read_tile_patches(tmp_path / "tiles", index):
        seen.add(i)
        expected = read_patch(tiny_archive / index.folder[i])
        for metres in BANDS_AT:
            np.testing.assert_array_equal(patch[metres], expected[metres])
    assert seen == set(range(len(index)))


def test_the_pixels_are_those_of_gdals_driver(tiny_archive, tmp_path):
    products = write_products(tmp_path, tiny_archive)
    index = read_index(tiny_archive, tmp_path / "work")
    cut = max(find_windows(tmp_path, index), key=lambda cut: len(cut.rows))
    path = next(p for p in products if p.name == cut.tile.product) / "MTD_MSIL2A.xml"
    native = {int(re.search(r":(10|20|60)m:", name)[1]): name for name, _ in gdal.Open(str(path)).GetSubDatasets()[:3]}
    patches = list(read_windows(cut))
    for metres, names in BANDS_AT.items():
        dataset = gdal.Open(native[metres])
        by_name = {dataset.GetRasterBand(i + 1).GetMetadataItem("BANDNAME"): i for i in range(dataset.RasterCount)}
        pixels = dataset.ReadAsArray()
        (column, row), size = cut.corners[-1] * 60 // metres, 1200 // metres
        for i, band in enumerate(names):
            expected = pixels[by_name[band.replace("B0", "B")], row : row + size, column : column + size]
            np.testing.assert_array_equal(patches[-1][1][metres][..., i], expected)


def test_sparse_windows_are_read_in_parts(products, bands, monkeypatch):
    monkeypatch.setattr("bigearth.archive.windows._GAP", 20)
    rows = table([(2, 0), (0, 0), (0, 1), (1, 1)])
    for i, patch in read_tile_patches(products, rows):
        column, row = map(int, rows.patch[i].split("_")[1:])
        np.testing.assert_array_equal(patch[10], window(bands, 10, column, row))


def refused(folder, rows, match):
    with pytest.raises(InputError, match=match):
        find_windows(folder, rows)


def test_a_patch_without_its_tile_is_refused(products):
    refused(products, table([(0, 0)], tile="T33UVP"), "1 patches .* patch_0_0 needs tile T33UVP")
    refused(products, table([(0, 0)], time="20170613T101032"), "obtain it")


@pytest.mark.parametrize(("x", "y"), [(-60, 0), (0, 60), (2460, 0), (0, -2460)])
def test_a_window_partly_outside_its_tile_is_refused(products, x, y):
    rows = table([(0, 0)])
    rows["x"] += x
    rows["y"] += y
    refused(products, rows, "patch_0_0 .* wholly in its tile")


def test_a_window_between_pixels_is_refused(products):
    rows = table([(0, 0)])
    rows["x"] += 20
    refused(products, rows, "60 m grid")


def test_another_projection_is_refused(products, tmp_path, bands):
    refused(products, table([(0, 0)]).assign(epsg=32632), "EPSG:32633")
    product = write_product(tmp_path, bands)
    path = next(product.rglob("*_B05_20m.jp2"))
    path.unlink()
    write_band(path, bands["B05"], 20, epsg=32632)
    refused(tmp_path, table([(0, 0)]), "B05_20m.jp2 covers another area")


def test_a_patch_named_twice_is_refused(products):
    rows = table([(0, 0)])
    refused(products, pd.concat([rows, rows]), "holds .* twice: give it once")


def test_a_folder_without_products_and_a_table_without_columns_are_refused(tmp_path, products):
    refused(tmp_path, table([(0, 0)]), "no \\*.SAFE")
    refused(products, table([(0, 0)]).drop(columns="epsg"), "'epsg'")


def without_data(bands, columns):
    """Bands with no data in some columns of patches."""
    empty = {}
    for band, array in bands.items():
        empty[band] = array.copy()
        for column in columns:
            size = 1200 // RESOLUTION[band]
            empty[band][:, column * size : (column + 1) * size] = 0
    return empty


@pytest.mark.parametrize("of_one_product", [True, False])
def test_each_patch_comes_from_the_granule_that_covers_it(tmp_path, bands, of_one_product):
    other = pixels(1)
    first = write_product(tmp_path, without_data(bands, [0]), suffix="tif")
    second = write_product(tmp_path / "more", without_data(other, [1, 2]), baseline="05.00", offset=0, suffix="tif")
    if of_one_product:
        (granule,) = (second / "GRANULE").iterdir()
        granule.rename(first / "GRANULE" / f"{granule.name}_2")
        (second / "MTD_MSIL2A.xml").unlink()
        second.rename(second.with_name("no product"))
    cuts = find_windows(tmp_path, table([(0, 0), (1, 0), (2, 1)]))
    assert len({cut.tile.name for cut in cuts}) == 2
    patches = dict(read_tile_patches(tmp_path, table([(0, 0), (1, 0), (2, 1)])))
    np.testing.assert_array_equal(patches[0][10], window(other, 10, 0, 0))
    np.testing.assert_array_equal(patches[1][10], window(bands, 10, 1, 0))
    np.testing.assert_array_equal(patches[2][20], window(bands, 20, 2, 1))


def test_of_two_whole_products_the_newer_baseline_is_taken(tmp_path, bands):
    write_product(tmp_path, bands, suffix="tif")
    product = write_product(tmp_path, bands, baseline="05.00", offset=-1000, suffix="tif")
    (cut,) = find_windows(tmp_path, table([(0, 0), (1, 1)]))
    assert cut.tile.product == product.name


def test_a_patch_that_no_product_covers_is_refused(tmp_path, bands):
    write_product(tmp_path, without_data(bands, [0, 1]), suffix="tif")
    with pytest.raises(InputError, match="patch patch_1_2: .* holds no data there: obtain .* or exclude"):
        list(read_tile_patches(tmp_path, table([(2, 2), (1, 2)])))
    write_product(tmp_path, without_data(bands, [0]), baseline="05.00", offset=0, suffix="tif")
    assert len(list(read_tile_patches(tmp_path, table([(2, 2), (1, 2)])))) == 2
    refused(tmp_path, table([(2, 2), (0, 2)]), "patch patch_0_2: .* hold no data there")


def test_no_data_and_saturated_pixels_stay_what_they_are(tmp_path, bands):
    marked = {band: array.copy() for band, array in bands.items()}
    for array in marked.values():
        array[0, :4] = 0, SATURATED, SATURATED - 1, 400
    write_product(tmp_path, marked, baseline="05.00", offset=-1000, suffix="tif")
    ((_, patch),) = read_tile_patches(tmp_path, table([(0, 0)]))
    for metres in BANDS_AT:
        assert (patch[metres][0, :4] == np.array([0, SATURATED, SATURATED - 1001, 0])[:, None]).all()


def test_a_window_in_the_dark_is_no_window_without_data(tmp_path, bands):
    dark = {band: array.copy() for band, array in bands.items()}
    dark["B01"][:], dark["B09"][:] = 900, 900  # below 0 once the offset is removed
    write_product(tmp_path, dark, baseline="05.00", offset=-1000, suffix="tif")
    ((_, patch),) = read_tile_patches(tmp_path, table([(0, 0)]))
    assert not patch[60].any() and patch[10].any()


@pytest.mark.parametrize("name", ["x", "y", "epsg"])
@pytest.mark.parametrize("value", ["x", None, np.inf])
def test_a_place_that_is_no_number_is_refused(name, value, products):
    rows = table([(0, 0), (1, 1)])
    rows[name] = [value, rows[name][1]]
    with pytest.raises(InputError, match=f"{name} is not a finite number"):
        find_windows(products, rows)
