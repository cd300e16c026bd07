"""Measurements of rows: the same, however the rows were shared out."""

import h5py
import numpy as np
import pytest
from osgeo import gdal

from bigearth.cube.check import check
from bigearth.cube.layout import checksum_rows
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.statistics import combine, count_special, describe_bands, measure_rows
from bigearth.miniature.archive import write_archive
from bigearth.patch import BANDS_AT, DATASET_OF, PIXELS, SATURATED


def rows_of(n, high=65536):
    rng = np.random.default_rng(5)
    return {
        DATASET_OF[m]: rng.integers(0, high, (n, PIXELS[m], PIXELS[m], len(bands)), dtype=np.uint16)
        for m, bands in BANDS_AT.items()
    }


def test_mean_and_deviation_of_the_training_rows():
    arrays = rows_of(6)
    measured = measure_rows(np.arange(6), arrays, training=4)
    for metres, (mean, std) in describe_bands(measured.sums, 4).items():
        pixels = arrays[DATASET_OF[metres]][:4].astype(float).reshape(-1, len(BANDS_AT[metres]))
        np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-12)
        np.testing.assert_allclose(std, pixels.std(0), rtol=1e-9)


def test_sums_of_the_largest_values_are_exact():
    arrays = {key: np.full_like(array, 65535) for key, array in rows_of(1).items()}
    total, squares = measure_rows(np.arange(1), arrays, 1).sums[10][:, 0]
    assert (total, squares) == (14400 * 65535, 14400 * 65535**2)


@pytest.mark.parametrize("parts", [[[0, 1, 2, 3, 4, 5]], [[4, 5], [0, 1, 2, 3]], [[5, 0, 3], [1], [4, 2], []]])
def test_any_sharing_gives_the_same(parts):
    arrays = rows_of(6)
    whole = measure_rows(np.arange(6), arrays, 4)
    measured = []
    for part in parts:
        rows = np.array(part, int)
        measured.append(measure_rows(rows, {key: array[rows] for key, array in arrays.items()}, 4))
    combined = combine(measured)
    assert combined.rows.tolist() == list(range(6)) and combined.checksum() == whole.checksum()
    assert describe_bands(combined.sums, 4) == describe_bands(whole.sums, 4)
    assert combined.checksums["data_20m"].tolist() == checksum_rows(arrays["data_20m"]).tolist()


def test_the_checksum_sees_a_bit_and_the_place_of_a_row():
    arrays = rows_of(2)
    before = measure_rows(np.arange(2), arrays, 2).checksum()
    assert measure_rows(np.array([1, 0]), arrays, 2).checksum() != before
    arrays["data_60m"][1, 3, 4, 0] ^= 1
    assert measure_rows(np.arange(2), arrays, 2).checksum() != before


def test_nothing_measured():
    assert len(combine([]).rows) == 0
    assert all(np.isnan(mean).all() for mean, _ in describe_bands(combine([]).sums, 0).values())


def test_special_pixels_are_counted_by_band():
    arrays = {key: array + np.uint16(1) for key, array in rows_of(4, 9000).items()}
    arrays["data_10m"][1, :2, 0, 3] = 0
    arrays["data_20m"][3, 5, :7, 1] = SATURATED
    counts = count_special(arrays)
    assert counts[10].tolist() == [[0, 0, 0, 2], [0, 0, 0, 0]]
    assert counts[20].tolist() == [[0] * 6, [0, 7, 0, 0, 0, 0]]
    assert not counts[60].any()
    halves = [measure_rows(np.arange(2), {key: array[:2] for key, array in arrays.items()}, 4),
              measure_rows(np.arange(2, 4), {key: array[2:] for key, array in arrays.items()}, 4)]  # fmt: skip
    assert all(np.array_equal(combine(halves).special[metres], counts[metres]) for metres in BANDS_AT)


def test_counts_stand_in_the_cube(tmp_path):
    archive = write_archive(tmp_path / "archive", 12)
    patch = next(archive.glob("S2*"))
    dataset = gdal.OpenEx(str(patch / f"{patch.name}_B03.tif"), gdal.GA_Update)
    array = dataset.ReadAsArray()
    array[:3], array[3, :5] = 0, SATURATED
    dataset.GetRasterBand(1).WriteArray(array)
    dataset = None
    write_cube(cube=tmp_path / "cube.h5", archive=archive, workdir=tmp_path, splits="random")
    with h5py.File(tmp_path / "cube.h5") as file:
        assert file["data_10m"].attrs["nodata_pixels"].tolist() == [0, 360, 0, 0]
        assert file["data_10m"].attrs["saturated_pixels"].tolist() == [0, 5, 0, 0]
    check(tmp_path / "cube.h5", archive)
