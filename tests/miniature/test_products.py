"""SAFE products of the miniature: GDAL's driver opens them, and their windows are the archive's patches."""

import json

import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive.products import find_tiles
from bigearth.errors import InputError
from bigearth.miniature import products
from bigearth.miniature.archive import FEWEST_PATCHES, write_archive
from bigearth.miniature.product_metadata import OFFSET
from bigearth.miniature.products import find_products, write_products
from bigearth.patch import BANDS, BANDS_AT, RESOLUTION

TILE = "T33UWP"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("products") / "archive", patches=24, seed=5)


@pytest.fixture(scope="module")
def patches(archive):
    """Patches of the tile: {(x, y): {band: pixels}}."""
    found = {}
    for path in archive.glob("*/*.json"):
        about = json.loads(path.read_text())
        if TILE in about["tile_source"]:
            files = {band: f"{path.parent}/{path.parent.name}_{band}.tif" for band in BANDS}
            place = about["coordinates"]["ulx"], about["coordinates"]["uly"]
            found[place] = {band: gdal.Open(file).ReadAsArray() for band, file in files.items()}
    return found


def read_bands(metadata):
    """All bands of a product through the SENTINEL2 driver: {band: dataset and band number}."""
    bands = {}
    product = gdal.OpenEx(str(metadata), allowed_drivers=["SENTINEL2"])
    for name, _ in product.GetSubDatasets():
        if any(f":{metres}m:" in name for metres in BANDS_AT):
            dataset = gdal.Open(name)
            for i in range(1, dataset.RasterCount + 1):
                name = dataset.GetRasterBand(i).GetMetadataItem("BANDNAME")
                band = name if name in BANDS else name.replace("B", "B0")
                if band in BANDS and dataset.GetGeoTransform()[1] == RESOLUTION[band]:
                    bands[band] = dataset, i
    return product, bands


@pytest.mark.parametrize(
    ("baseline", "older", "metadata"),
    [("02.06", False, "MTD_MSIL2A.xml"), ("02.04", True, "*_MTD_SAFL2A_*.xml"), ("05.00", False, "MTD_MSIL2A.xml")],
)
def test_windows_of_a_product_are_the_patches(tmp_path, archive, patches, baseline, older, metadata):
    (folder,) = write_products(tmp_path, archive, baseline, older, tiles=[TILE])
    (file,) = folder.glob(metadata)
    product, bands = read_bands(file)
    assert product.GetMetadataItem("PROCESSING_BASELINE") == baseline
    assert set(bands) == set(BANDS) and patches
    text = file.read_text()
    offset = -OFFSET if baseline >= "04.00" else 0
    assert text.count(f">{OFFSET}</BOA_ADD_OFFSET>") == (13 if offset else 0)
    for (x, y), pixels in patches.items():
        for band, (dataset, number) in bands.items():
            left, metres, _, top, _, _ = dataset.GetGeoTransform()
            place = int((x - left) / metres), int((top - y) / metres), *pixels[band].shape
            window = dataset.GetRasterBand(number).ReadAsArray(*place)
            np.testing.assert_array_equal(window, pixels[band] + np.uint16(offset))


def test_the_archive_names_the_products_tile_and_time(tmp_path, archive):
    (folder,) = write_products(tmp_path, archive, tiles=[TILE], bands=["B01"])
    sources = {json.loads(path.read_text())["tile_source"] for path in archive.glob("*/*.json")}
    (source,) = (source for source in sources if TILE in source)
    level_1c, level_2a = source.split("_"), folder.name.split("_")
    assert (level_1c[1], level_2a[1]) == ("MSIL1C", "MSIL2A")
    assert [level_1c[i] for i in (0, 2, 5)] == [level_2a[i] for i in (0, 2, 5)]


def test_a_tile_can_be_widened_by_its_mirror_image(tmp_path, archive):
    (folder,) = write_products(tmp_path, archive, tiles=[TILE], bands=["B02"], metres=6000, driver="GTiff")
    (path,) = folder.rglob("*_B02_10m.tif")
    band = gdal.Open(str(path)).ReadAsArray()
    assert band.shape == (600, 600)
    np.testing.assert_array_equal(band[:240, 240:480], band[:240, 239::-1])


def test_only_a_miniature_has_products(tmp_path):
    with pytest.raises(InputError, match="no miniature archive"):
        write_products(tmp_path / "products", tmp_path)


def test_the_parameter_of_notebooks(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "archive", patches=FEWEST_PATCHES, seed=7)
    assert find_products("", archive) == "" and find_products("data/tiles", archive) == "data/tiles"
    folder = find_products("miniature", archive)
    assert folder == tmp_path / "archive-tiles" and len(find_tiles(folder)) == 6
    monkeypatch.setattr(products, "write_products", lambda *_, **__: pytest.fail("written again"))
    assert find_products("miniature", archive) == folder
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "archive-tiles"]
