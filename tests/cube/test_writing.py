"""Rows written at their offsets and read back."""

import h5py
import numpy as np

from bigearth.cube.statistics import measure_rows
from bigearth.cube.unfinished import JournalEntry
from bigearth.cube.writing import open_writer, read_rows, write_attributes
from bigearth.patch import DATASET_OF
from tests.cube.test_statistics import rows_of


def test_scattered_rows_are_written_and_read_back(begun):
    rows = np.array([7, 8, 2, 30])
    arrays = rows_of(4)
    measured = measure_rows(rows, arrays, 3)
    with open_writer(begun, 0) as write:
        write("tile-0", measured, arrays)
    for key, array in read_rows(begun.file, rows, "none").items():
        np.testing.assert_array_equal(array, arrays[key])
    with h5py.File(begun.file) as file:
        np.testing.assert_array_equal(file["data_20m"][30], arrays["data_20m"][3])
        assert not file["data_20m"][29].any()
    assert begun.read_journals() == {"tile-0": JournalEntry(4, measured.checksum())}


def test_attributes_say_that_the_cube_is_complete(begun):
    n = begun.count_rows()[1]
    measured = measure_rows(np.arange(n), rows_of(n), 3)
    write_attributes(begun.file, measured, 3)
    with h5py.File(begun.file) as file:
        assert file.attrs["complete"] and file.attrs["checksum_rows"] == 1
        assert all(len(file[key].attrs["checksum"]) == 8 for key in DATASET_OF.values())
        assert len(file["data_60m"].attrs["mean"]) == 2
