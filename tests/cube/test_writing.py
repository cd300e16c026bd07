"""Rows written at their offsets and read back."""

import errno
import os

import h5py
import numpy as np
import pytest

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


def test_all_is_on_the_disk_when_the_writer_is_closed(begun, monkeypatch):
    done = []
    flush, write_at = os.fdatasync, os.pwrite
    monkeypatch.setattr(os, "fdatasync", lambda file: (flush(file), done.append("flushed")))
    monkeypatch.setattr(os, "pwrite", lambda *arguments: (done.append("written"), write_at(*arguments))[1])
    arrays = rows_of(4)
    with open_writer(begun, 0) as write:
        for name in ("tile-0", "tile-4"):
            write(name, measure_rows(np.arange(4), arrays, 3), arrays)
    assert done.count("written") == 6 and done[-1] == "flushed"


@pytest.mark.parametrize("times", [1, 2])
def test_an_error_of_the_disk_is_not_passed_over(begun, monkeypatch, times):
    """The system reports an error of the disk to one flush only, and the next one succeeds."""
    failures = [OSError(errno.EIO, "Input/output error")] * times

    def flush(_):
        if failures:
            raise failures.pop()

    monkeypatch.setattr(os, "fdatasync", flush)
    arrays = rows_of(4)
    with pytest.raises(OSError, match="Input/output"), open_writer(begun, 0) as write:
        write("tile-0", measure_rows(np.arange(4), arrays, 3), arrays)
