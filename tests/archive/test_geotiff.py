"""One band: the archive's form of GeoTIFF is read directly, others by GDAL, and both are checked alike."""

import os

import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive import geotiff
from bigearth.archive.folders import BandFiles
from bigearth.archive.geotiff import Place, read_band
from bigearth.errors import InputError
from bigearth.miniature.rasters import write_tif
from bigearth.patch import PIXELS, RESOLUTION

PLACE = Place(399_960, 5_300_040, 32632)


@pytest.fixture
def array():
    return np.random.default_rng(0).integers(1, 10_000, (60, 60), dtype=np.uint16)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "B11.tif"


def write(path, array, options=(), nodata=None):
    write_tif(path, array, PLACE.x, PLACE.y, 20, PLACE.epsg, nodata, options)


def assert_refused(path, match):
    with pytest.raises(InputError, match=match) as error:
        read_band(str(path), 60, 20)
    assert "\n" not in str(error.value) and "exclude the patch" in str(error.value)


@pytest.mark.parametrize(
    ("options", "is_plain"),
    [
        ((), True),
        (("COMPRESS=DEFLATE", "PREDICTOR=2"), False),
        (("TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16"), False),
        (("ENDIANNESS=BIG",), False),
        (("BIGTIFF=YES",), False),
        (("BLOCKYSIZE=1",), True),
    ],
)
def test_every_form_gives_the_same_pixels(path, array, options, is_plain):
    write(path, array, options)
    assert (geotiff._read_plain(str(path), 60, 20, BandFiles()) is not None) == is_plain
    pixels, place = read_band(str(path), 60, 20)
    np.testing.assert_array_equal(pixels, array)
    assert place == PLACE


def test_the_real_files_are_plain(real_data):
    paths = [*real_data.glob("BigEarthNet-v1.0/*/*.tif"), *real_data.glob("BigEarthNet-v2/BigEarthNet-S2/*/*/*.tif")]
    assert paths
    for path in paths:
        metres = RESOLUTION[path.stem.rsplit("_", 1)[1]]
        plain = geotiff._read_plain(str(path), PIXELS[metres], metres, BandFiles())
        by_gdal = geotiff._read_by_gdal(str(path), PIXELS[metres], metres, BandFiles())
        np.testing.assert_array_equal(plain[0], by_gdal[0])
        assert plain[1] == by_gdal[1]


def write_without_place(path, array, kind=gdal.GDT_UInt16):
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), array.shape[1], array.shape[0], 1, kind)
    dataset.GetRasterBand(1).WriteArray(array)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda path: path.unlink(), "B11.tif is missing: restore"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "B11.tif cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "B11.tif cannot be read"),
        (lambda path: path.write_bytes(b"not an image"), "B11.tif cannot be read"),
        (lambda path: path.write_bytes(b""), "B11.tif cannot be read"),
        (lambda path: path.write_bytes(b"II*\0"), "B11.tif cannot be read"),
        (lambda path: write_without_place(path, np.ones((60, 59))), "B11.tif has 59 x 60 pixels"),
        (lambda path: write_without_place(path, np.ones((60, 60)), gdal.GDT_Int16), "B11.tif.*of Int16; expected"),
        (lambda path: write_without_place(path, np.ones((60, 60)), gdal.GDT_Byte), "B11.tif.*of Byte; expected"),
        (lambda path: write_without_place(path, np.ones((60, 60))), "B11.tif has no place in pixels of 20 m"),
    ],
)
def test_damaged_files(path, array, damage, match):
    write(path, array)
    damage(path)
    assert_refused(path, match)


def test_a_sparse_file_is_refused(path, array):
    write(path, array)
    whole = path.read_bytes()
    driver = gdal.GetDriverByName("GTiff")
    options = ["SPARSE_OK=TRUE", "BLOCKYSIZE=10"]
    dataset = driver.CreateCopy(str(path.with_name("sparse.tif")), gdal.Open(str(path)), options=options)
    dataset = None
    dataset = driver.Create(str(path), 60, 60, 1, gdal.GDT_UInt16, options)
    dataset.GetRasterBand(1).WriteArray(array[:20])
    dataset = None
    assert len(path.read_bytes()) < len(whole)
    assert_refused(path, "B11.tif is sparse, pixels from line 20 on are not there")


def test_other_formats_under_this_name(path, array):
    source = path.with_name("source.tif")
    write(source, array)
    gdal.Translate(str(path), str(source), format="VRT")
    assert_refused(path, "B11.tif cannot be read")
    gdal.Translate(str(path), str(source), format="PNG")
    assert_refused(path, "B11.tif cannot be read")


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "device"])
def test_what_is_no_regular_file(path, kind):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else "/dev/zero")
    assert_refused(path, "B11.tif (is a|cannot be opened)")


def test_a_header_with_a_flipped_bit(path, array):
    """Every bit: an array of the right shape, or the error that is promised (the file has no checksum of its own)."""
    write(path, array)
    whole = path.read_bytes()
    for position in range(whole.index(array.tobytes())):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            pixels, _ = read_band(str(path), 60, 20)
        except InputError:
            continue
        assert pixels.shape == (60, 60) and pixels.dtype == np.uint16
