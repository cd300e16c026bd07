"""Windows from Sentinel-2 products: which tile, which pixels, which values, and what is refused."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from osgeo import gdal, gdal_array, osr

from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patch
from bigearth.archive.products import find_tiles
from bigearth.archive.windows import plan, radiometry, read_cut, read_tile_patches
from bigearth.errors import InputError
from bigearth.miniature.products import write_products
from bigearth.patch import BANDS, BANDS_AT, RESOLUTION

LEFT, TOP, EPSG = 399960, 5400000, 32633
TIME, TILE = "20170613T101031", "T33UUP"
SIZE = 3600  # m

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd"><n1:General_Info>
<{old}Product_Info><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<Datatake datatakeIdentifier="GS2A_{time}_010312_N02.05"/></{old}Product_Info>
<{old}Product_Image_Characteristics>{offsets}</{old}Product_Image_Characteristics>
</n1:General_Info></n1:Level-2A_User_Product>"""


def pixels(seed=0):
    rng = np.random.default_rng(seed)
    return {band: rng.integers(1, 12000, (SIZE // m, SIZE // m), dtype=np.uint16) for band, m in RESOLUTION.items()}


def write_jp2(path, array, metres, epsg=EPSG, left=LEFT):
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = gdal_array.OpenArray(array)
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    dataset.SetSpatialRef(reference)
    dataset.SetGeoTransform((left, metres, 0, TOP, 0, -metres))
    options = ["REVERSIBLE=YES", "QUALITY=100", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]
    gdal.GetDriverByName("JP2OpenJPEG").CreateCopy(str(path), dataset, options=options)


def write_product(folder, bands, baseline="02.05", offset=None, older=False, tile=TILE, time=TIME, **place):
    """A product with what the reader looks at, of compact naming or of the older one."""
    if older:
        product = folder / f"S2A_USER_PRD_MSIL2A_PDMC_20170613T200000_R022_V{time}_{time}.SAFE"
        granule, stem = f"S2A_USER_MSI_L2A_TL_SGS__{time}_A010312_{tile}_N02.05", "S2A_USER_MSI_L2A_TL_SGS_"
        metadata = product / f"S2A_USER_MTD_SAFL2A_PDMC_20170613T200000_R022_V{time}_{time}.xml"
    else:
        product = folder / f"S2A_MSIL2A_{time}_N{baseline.replace('.', '')}_R022_{tile}_20170613T101608.SAFE"
        granule, stem = f"L2A_{tile}_A010312_{time}", ""
        metadata = product / "MTD_MSIL2A.xml"
    for band, array in bands.items():
        metres = RESOLUTION[band]
        file = f"IMG_DATA/R{metres}m/{stem}{tile}_{time}_{band}_{metres}m.jp2"
        write_jp2(product / "GRANULE" / granule / file, array, metres, **place)
    items = "".join(f'<BOA_ADD_OFFSET band_id="{i}">{offset}</BOA_ADD_OFFSET>' for i in range(13) if offset is not None)
    offsets = f"<BOA_ADD_OFFSET_VALUES_LIST>{items}</BOA_ADD_OFFSET_VALUES_LIST>"
    text = METADATA.format(old="L2A_" if older else "", baseline=baseline, time=time, offsets=offsets if items else "")
    metadata.write_text(text)
    return product


def table(positions, tile=TILE, time=TIME):
    source = f"S2A_MSIL1C_{time}_N0205_R022_{tile}_20170613T101608.SAFE"
    rows = [(f"patch_{c}_{r}", LEFT + 1200 * c, TOP - 1200 * r, EPSG, source) for c, r in positions]
    return pd.DataFrame(rows, columns=["patch", "x", "y", "epsg", "tile_source"])


def window(bands, metres, column, row):
    n = 1200 // metres
    rows, columns = slice(row * n, (row + 1) * n), slice(column * n, (column + 1) * n)
    return np.stack([bands[band][rows, columns] for band in BANDS_AT[metres]], axis=-1)


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
    record = radiometry(plan(tmp_path, table([(1, 1)])))
    assert record == {product.name: {"baseline": "05.00", "offset": dict.fromkeys(BANDS, -1000)}}


def test_each_band_has_its_own_offset(tmp_path, bands):
    product = write_product(tmp_path, bands, baseline="04.00", offset=-1000)
    path = product / "MTD_MSIL2A.xml"
    path.write_text(path.read_text().replace('band_id="8">-1000', 'band_id="8">-700'))
    (tile,) = find_tiles(tmp_path).values()
    assert [band for band in BANDS if tile.offset[band] == -700] == ["B8A"]


def test_a_patch_finds_its_tile_among_others_of_the_same_time(tmp_path, bands):
    write_product(tmp_path, bands)
    write_product(tmp_path, pixels(1), tile="T33UVP")
    write_product(tmp_path, pixels(2), time="20170623T101031")
    rows = pd.concat([table([(1, 1)], tile="T33UVP"), table([(1, 1), (2, 2)])], ignore_index=True)
    rows.loc[0, "patch"] = "the neighbour's"
    cuts = plan(tmp_path, rows)
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
        plan(products, rows)


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
    cut = max(plan(tmp_path, index), key=lambda cut: len(cut.rows))
    path = next(p for p in products if p.name == cut.tile.product) / "MTD_MSIL2A.xml"
    native = {int(re.search(r":(10|20|60)m:", name)[1]): name for name, _ in gdal.Open(str(path)).GetSubDatasets()[:3]}
    patches = list(read_cut(cut))
    for metres, names in BANDS_AT.items():
        dataset = gdal.Open(native[metres])
        by_name = {dataset.GetRasterBand(i + 1).GetMetadataItem("BANDNAME"): i for i in range(dataset.RasterCount)}
        pixels = dataset.ReadAsArray()
        (column, row), size = cut.corners[-1] * 60 // metres, 1200 // metres
        for i, band in enumerate(names):
            expected = pixels[by_name[band.replace("B0", "B")], row : row + size, column : column + size]
            np.testing.assert_array_equal(patches[-1][1][metres][..., i], expected)


def test_sparse_windows_are_read_in_parts(products, bands, monkeypatch):
    monkeypatch.setattr("bigearth.archive.windows._READ_ON", 20)
    rows = table([(2, 0), (0, 0), (0, 1), (1, 1)])
    for i, patch in read_tile_patches(products, rows):
        column, row = map(int, rows.patch[i].split("_")[1:])
        np.testing.assert_array_equal(patch[10], window(bands, 10, column, row))


def refused(folder, rows, match):
    with pytest.raises(InputError, match=match):
        plan(folder, rows)


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
    write_jp2(path, bands["B05"], 20, epsg=32632)
    refused(tmp_path, table([(0, 0)]), "B05_20m.jp2 covers another area")


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


def test_metadata_must_be_xml_and_complete(tmp_path, bands):
    product = write_product(tmp_path, bands, baseline="04.00", offset=-1000)
    path = product / "MTD_MSIL2A.xml"
    complete = path.read_text()
    for text, match in (
        (complete[:200], "is not XML"),
        (complete.replace('band_id="1"', 'band_id="10"'), "no BOA_ADD_OFFSET of B02"),
        (complete.replace("BOA_ADD_OFFSET ", "NOTHING "), "is not XML"),
        (complete.replace("PROCESSING_BASELINE", "OTHER"), "processing baseline"),
    ):
        path.write_text(text)
        refused(tmp_path, table([(0, 0)]), match)
    path.write_text(re.sub("<BOA_ADD_OFFSET_VALUES.*</BOA_ADD_OFFSET_VALUES_LIST>", "", complete, flags=re.S))
    refused(tmp_path, table([(0, 0)]), "no BOA_ADD_OFFSET of B01")
    path.write_text(path.read_text().replace("04.00", "99.99"))  # a user's own Sen2Cor
    assert set(plan(tmp_path, table([(0, 0)]))[0].tile.offset.values()) == {0}
    path.unlink()
    refused(tmp_path, table([(0, 0)]), "no MTD_MSIL2A.xml")


def test_two_products_of_one_tile_and_time_are_refused(tmp_path, bands):
    write_product(tmp_path, bands)
    write_product(tmp_path, bands, baseline="05.00", offset=-1000)
    refused(tmp_path, table([(0, 0)]), "keep one")


def test_a_patch_named_twice_is_refused(products):
    rows = table([(0, 0)])
    refused(products, pd.concat([rows, rows]), "holds .* twice: remove one")


def test_products_in_folders_of_their_own_are_found(products, tmp_path):
    shutil.copytree(products, tmp_path / "downloaded")
    assert find_tiles(tmp_path).keys() == find_tiles(products).keys()


def test_a_folder_without_products_and_a_table_without_columns_are_refused(tmp_path, products):
    refused(tmp_path, table([(0, 0)]), "no \\*.SAFE")
    refused(products, table([(0, 0)]).drop(columns="epsg"), "'epsg'")
