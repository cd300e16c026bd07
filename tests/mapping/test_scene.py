"""Products of every kind are opened alike; what cannot be mapped is refused in one line."""

import os
import shutil

import numpy as np
import pytest
from osgeo import gdal

from bigearth.errors import InputError
from bigearth.mapping.scene import find_products, name_product, open_scene
from bigearth.miniature.products import write_products
from bigearth.miniature.rasters import write_tif
from bigearth.patch import BANDS, RESOLUTION

NAME = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"


def write_folder(folder, metres=2400, epsg=32633, x=500000, value=1500, mask=None, leave_out=()):
    """A folder of twelve GeoTIFFs of one value."""
    folder.mkdir(parents=True)
    for band, pixel in RESOLUTION.items():
        if band not in leave_out:
            array = np.full((metres // pixel, metres // pixel), value, np.uint16)
            write_tif(folder / f"{band}.tif", array, x, 5400000, pixel, epsg)
    if mask is not None:
        write_tif(folder / "cloud_mask.tif", mask.astype(np.uint16), x, 5400000, metres // len(mask), epsg)
    return folder


def test_a_product_of_today(product, tmp_path):
    scene = open_scene(product, tmp_path)
    assert scene.name == product.name.removesuffix(".SAFE")
    assert (scene.place.x, scene.place.y, scene.place.epsg) == (499980, 5400000, 32633)
    assert scene.width == scene.height == 4800
    assert scene.tile.offset["B02"] == -1000 and scene.mask is None


def test_the_older_naming(tiny_archive, tmp_path):
    (path,) = write_products(tmp_path / "old", tiny_archive, "02.04", older=True, tiles=["T33UWP"])
    scene = open_scene(path, tmp_path / "work")
    assert scene.width == 4800 and set(scene.tile.offset.values()) == {0}


def test_a_product_made_again_under_its_name_has_another_content(tmp_path):
    folder = write_folder(tmp_path / NAME)
    first = open_scene(folder, tmp_path / "work").fingerprint()
    assert open_scene(folder, tmp_path / "other").fingerprint() == first
    write_folder(tmp_path / "new" / NAME, value=1501)
    assert open_scene(tmp_path / "new" / NAME, tmp_path / "work").fingerprint() != first


def test_unzipped_into_itself_and_scene_classification(tiny_archive, tmp_path):
    (path,) = write_products(tmp_path / "a", tiny_archive, tiles=["T29UPU"], classification=True)
    inner = tmp_path / "b" / path.name
    inner.mkdir(parents=True)
    shutil.move(path, inner)
    scene = open_scene(inner, tmp_path / "work")
    assert scene.mask.name.endswith("_SCL_20m.jp2") and scene.mask_is_classification


@pytest.mark.parametrize(
    ("name", "offset", "removed"),
    [(NAME, None, -1000), (NAME.replace("N0400", "N0301"), None, 0), (NAME, 0, 0), ("my_scene", -1000, -1000)],
)
def test_offset_of_a_folder(tmp_path, name, offset, removed):
    scene = open_scene(write_folder(tmp_path / name), tmp_path / "work", offset)
    assert set(scene.tile.offset.values()) == {removed}


@pytest.mark.parametrize("name", ["my_scene", NAME.replace("N0400", "N9999")])
def test_a_folder_without_baseline_needs_the_offset(tmp_path, name):
    with pytest.raises(InputError, match="set the parameter offset"):
        open_scene(write_folder(tmp_path / name), tmp_path / "work")


def test_a_cloud_mask_beside_the_bands(tmp_path):
    scene = open_scene(write_folder(tmp_path / NAME, mask=np.zeros((240, 240))), tmp_path / "work")
    assert scene.mask.name == "cloud_mask.tif" and not scene.mask_is_classification


def test_a_mask_of_another_area(tmp_path):
    folder = write_folder(tmp_path / NAME)
    write_tif(folder / "cloud_mask.tif", np.zeros((60, 60), np.uint16), 500000, 5400000, 20, 32633)
    with pytest.raises(InputError, match="mask .* covers another area"):
        open_scene(folder, tmp_path / "work")


def refuse(path, tmp_path, message):
    with pytest.raises(InputError, match=message) as raised:
        open_scene(path, tmp_path / "work")
    assert "\n" not in str(raised.value)


def test_other_levels_projections_and_sizes_are_refused(tmp_path):
    refuse(write_folder(tmp_path / NAME.replace("L2A", "L1C")), tmp_path, "level 1C")
    refuse(write_folder(tmp_path / f"laea_{NAME}", epsg=3035), tmp_path, "not in a UTM projection")
    refuse(write_folder(tmp_path / f"gap_{NAME}", leave_out=["B09"]), tmp_path, "has no B09.tif")


def test_bands_in_other_pixels_are_refused(tmp_path):
    folder = write_folder(tmp_path / NAME)
    write_tif(folder / "B04.tif", np.ones((120, 120), np.uint16), 500000, 5400000, 20, 32633)
    refuse(folder, tmp_path, "B04")


def test_a_size_that_is_no_multiple_of_60_m(tmp_path):
    folder = tmp_path / NAME
    folder.mkdir()
    for band, pixel in RESOLUTION.items():
        write_tif(folder / f"{band}.tif", np.ones((2500 // pixel,) * 2, np.uint16), 500000, 5400000, pixel, 32633)
    refuse(folder, tmp_path, "multiples of 60 m|another area")


def test_a_damaged_band(tmp_path):
    folder = write_folder(tmp_path / NAME)
    (folder / "B11.tif").write_bytes(b"no GeoTIFF")
    refuse(folder, tmp_path, "B11.* cannot be read")


def test_products_of_a_folder(product, tmp_path):
    write_folder(tmp_path / "all" / NAME)
    (tmp_path / "all" / product.name).symlink_to(product)
    (tmp_path / "all" / "notes").mkdir()
    (tmp_path / "all" / "._x.zip").write_bytes(b"of a Mac")
    found = find_products(tmp_path / "all")
    assert [path.name for path in found] == [NAME, product.name]
    assert find_products(found[0]) == [found[0]]
    assert name_product(found[1]) == product.name.removesuffix(".SAFE")


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_no_product(tmp_path, kind):
    path = tmp_path / kind
    if kind == "empty":
        path.mkdir()
    elif kind == "file":
        path.write_text("x")
    with pytest.raises(InputError, match="product .*(is missing|is not a product)"):
        find_products(path)


def test_the_real_crop_lies_where_its_files_do(real_data, tmp_path):
    (folder,) = (real_data / "Sentinel-2-L2A-crop").iterdir()
    scene = open_scene(folder, tmp_path)
    assert set(scene.tile.offset.values()) == {-1000} and scene.mask.name == "cloud_mask.tif"
    left, _, _, top, _, _ = gdal.Open(str(folder / "B02.tif")).GetGeoTransform()
    assert (scene.place.x, scene.place.y) == (left, top) and scene.width == 10680
    assert len(BANDS) == sum(len(list(scene.tile.granule.glob(f"IMG_DATA/R{m}m/*"))) for m in (10, 20, 60))


def test_what_is_no_product_beside_one(product, tmp_path):
    shutil.copytree(product, tmp_path / "all" / product.name)
    os.mkfifo(tmp_path / "all" / "pipe")
    (tmp_path / "all" / "link").symlink_to("nowhere")
    assert find_products(tmp_path / "all") == [tmp_path / "all" / product.name]


def test_two_files_of_a_band(tmp_path):
    folder = write_folder(tmp_path / "scene")
    shutil.copy(folder / "B02.tif", folder / "later_B02.tif")
    with pytest.raises(InputError, match="has 2 files of B02"):
        open_scene(folder, tmp_path / "work", offset=0)


def test_a_mask_that_is_a_pipe(tmp_path):
    folder = write_folder(tmp_path / "scene")
    os.mkfifo(folder / "SCL.tif")
    with pytest.raises(InputError, match="is a pipe"):
        open_scene(folder, tmp_path / "work", offset=0)


@pytest.mark.parametrize("offset", [-99999, 5])
def test_an_impossible_offset(offset, tmp_path):
    with pytest.raises(InputError, match="offset is"):
        open_scene(write_folder(tmp_path / "scene"), tmp_path / "work", offset=offset)


def test_a_pixel_in_the_middle_of_a_band_makes_another_scene(tmp_path):
    """The file keeps its size, its first and its last bytes."""
    folder = write_folder(tmp_path / NAME, metres=9600)
    before = open_scene(folder, tmp_path / "work").fingerprint()
    band = np.full((960, 960), 1500, np.uint16)
    write_tif(folder / "B04.tif", band, 500000, 5400000, 10, 32633)
    assert open_scene(folder, tmp_path / "work").fingerprint() == before
    band[480, 480] = 1501
    write_tif(folder / "B04.tif", band, 500000, 5400000, 10, 32633)
    assert open_scene(folder, tmp_path / "work").fingerprint() != before
