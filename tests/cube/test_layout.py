"""Shapes, axes and checksums of the cube's datasets."""

import zlib

import h5py
import numpy as np

from bigearth.cube.layout import (
    AXES,
    checksum_attributes,
    checksum_rows,
    combine_checksums,
    count_bytes,
    find_offsets,
    partial_folder,
    pixel_shapes,
)


def test_shapes_and_bytes():
    assert pixel_shapes(5, "none") == {
        "data_10m": (5, 120, 120, 4),
        "data_20m": (5, 60, 60, 6),
        "data_60m": (5, 20, 20, 2),
    }
    assert pixel_shapes(5, "bilinear")["data_super"] == (5, 120, 120, 12)
    assert count_bytes(1, "none") == 2 * (120 * 120 * 4 + 60 * 60 * 6 + 20 * 20 * 2)
    for key, shape in pixel_shapes(5, "dsen2").items():
        assert len(AXES[key]) == len(shape)


def test_the_folder_of_an_unfinished_cube(tmp_path):
    assert partial_folder(tmp_path / "cube.h5") == tmp_path / "cube.h5.partial"


def test_rows_lie_where_their_offsets_say(tiny_cube):
    with h5py.File(tiny_cube) as file:
        for key, (offset, row_bytes) in find_offsets(tiny_cube).items():
            with open(tiny_cube, "rb") as stream:
                stream.seek(offset + 3 * row_bytes)
                assert stream.read(row_bytes) == file[key][3].tobytes()


def test_checksums_of_rows_and_of_several_rows():
    array = np.random.default_rng(0).integers(0, 65536, (5, 4, 3), dtype=np.uint16)
    assert checksum_rows(array).tolist() == [zlib.crc32(row.tobytes()) for row in array]
    assert checksum_rows(array, 2).tolist() == [zlib.crc32(array[i : i + 2].tobytes()) for i in (0, 2, 4)]
    assert checksum_rows(array[:, ::-1]).tolist() != checksum_rows(array).tolist()
    assert combine_checksums([1, 2]) != combine_checksums([2, 1])


def test_the_checksum_of_attributes_sees_each_of_them(tmp_path):
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file["a"] = [1, 2]
        file.attrs["seed"] = 1
        file["a"].attrs["unit"] = "m"
        before = checksum_attributes(file)
        file.attrs["attributes_checksum"] = before
        assert checksum_attributes(file) == before
        file["a"].attrs["unit"] = "km"
        assert checksum_attributes(file) != before
