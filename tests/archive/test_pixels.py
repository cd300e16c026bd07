"""The pixels of a patch: those of its files, and what is refused."""

import shutil

import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive.geotiff import Place
from bigearth.archive.pixels import read_patch
from bigearth.errors import InputError
from bigearth.patch import BANDS_AT, PIXELS


@pytest.fixture
def folder(tiny_archive, tmp_path):
    """A patch to be damaged."""
    patch = next(tiny_archive.glob("S2*"))
    return shutil.copytree(patch, tmp_path / patch.name)


def test_pixels_are_the_files(tiny_archive):
    folder = next(tiny_archive.glob("S2*"))
    patch = read_patch(folder)
    for metres, bands in BANDS_AT.items():
        assert patch[metres].shape == (PIXELS[metres], PIXELS[metres], len(bands)) and patch[metres].dtype == np.uint16
        for i, band in enumerate(bands):
            dataset = gdal.Open(str(folder / f"{folder.name}_{band}.tif"))
            np.testing.assert_array_equal(patch[metres][..., i], dataset.ReadAsArray())


def test_another_patchs_file_is_refused(tiny_archive, folder):
    other = sorted(tiny_archive.glob("S2*"))[-1]
    shutil.copy(other / f"{other.name}_B05.tif", folder / f"{folder.name}_B05.tif")
    with pytest.raises(InputError, match="B05.tif lies at x .*, its patch at x .*: restore .* or exclude"):
        read_patch(folder)


def test_all_files_of_another_patch_are_refused_where_the_place_is_known(folder):
    dataset = gdal.Open(str(next(folder.glob("*_B02.tif"))))
    x, _, _, y, _, _ = dataset.GetGeoTransform()
    epsg = int(dataset.GetSpatialRef().GetAuthorityCode(None))
    read_patch(folder, place=Place(x, y, epsg))
    for place in (Place(x + 1200, y, epsg), Place(x, y, epsg + 1)):
        with pytest.raises(InputError, match="B02.tif lies at"):
            read_patch(folder, place=place)


def test_a_band_without_data_is_refused_and_dark_pixels_are_not(folder):
    path = folder / f"{folder.name}_B11.tif"
    dataset = gdal.OpenEx(str(path), gdal.GA_Update)
    array = dataset.ReadAsArray()
    array[:30] = 0
    dataset.GetRasterBand(1).WriteArray(array)
    dataset = None
    assert (read_patch(folder)[20][:30, :, 4] == 0).all()
    dataset = gdal.OpenEx(str(path), gdal.GA_Update)
    dataset.GetRasterBand(1).WriteArray(np.zeros_like(array))
    dataset = None
    with pytest.raises(InputError, match="B11.tif holds no data, all its pixels are 0: restore .* or exclude"):
        read_patch(folder)


def test_arrays_are_filled_in_place(folder):
    out = {m: np.zeros((PIXELS[m], PIXELS[m], len(bands)), np.uint16) for m, bands in BANDS_AT.items()}
    assert read_patch(folder, out) is out
    assert all(np.array_equal(out[metres], array) for metres, array in read_patch(folder).items())
