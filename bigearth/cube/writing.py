"""Rows of an unfinished cube, written and read back at their offsets by many processes at once.

No parallel HDF5 library is needed: the file is complete in its layout and closed before the first row is written.
"""

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from bigearth.cube.layout import (
    ATTRIBUTES_CHECKSUM,
    checksum_attributes,
    combine_checksums,
    find_offsets,
    pixel_shapes,
)
from bigearth.cube.statistics import RowMeasurements, describe_bands
from bigearth.cube.unfinished import UnfinishedCube
from bigearth.patch import DATASET_OF

WriteUnit = Callable[[str, RowMeasurements, dict[str, np.ndarray]], None]


@contextmanager
def open_writer(unfinished: UnfinishedCube, rank: int) -> Iterator[WriteUnit]:
    """Open the unfinished cube for a rank.

    Yields
    ------
    callable
        ``write(unit, measured, arrays)`` writes a unit of work: ``measured`` names its rows, ``arrays`` is a dict of
        dataset name to what they hold. The unit is journaled when all of it is written. On leaving without an error all
        of them are on the disk: only the node that wrote them can see to that.
    """
    offsets = find_offsets(unfinished.file)
    file = os.open(unfinished.file, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        journal = unfinished.open_journal(rank)
        try:
            flushing = _Flushing(file)

            def write(unit: str, measured: RowMeasurements, arrays: dict[str, np.ndarray]) -> None:
                for key, array in arrays.items():
                    offset, row_bytes = offsets[key]
                    for first, last in _find_runs(measured.rows):
                        _write_at(file, array[first:last], offset + int(measured.rows[first]) * row_bytes)
                line = f"{unit} {len(measured.rows)} {measured.checksum():08x} written\n"
                os.write(journal, line.encode())
                flushing.go_on()

            with flushing:
                yield write
        finally:
            os.close(journal)
    finally:
        os.close(file)


class _Flushing:
    """Moves what was written to the disk in a thread, while the next unit is read: else all ranks wait at the end."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._pool = ThreadPoolExecutor(1)
        self._latest: Future | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown()
        if kind is None:
            if self._latest is not None:
                self._latest.result()  # the system reports an error of the disk once: a later flush would succeed
            os.fdatasync(self._file)

    def go_on(self) -> None:
        """Flush what was written, unless an earlier call is at it still; raises what that call raised."""
        if self._latest is None or self._latest.done():
            if self._latest is not None:
                self._latest.result()
            self._latest = self._pool.submit(os.fdatasync, self._file)


def read_rows(path: Path, rows: np.ndarray, upsampling: str) -> dict[str, np.ndarray]:
    """Read rows of an unfinished cube back: dataset name to array.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    rows : (n,) int array
        Row numbers.
    upsampling : str
        That of the cube.
    """
    offsets = find_offsets(path)
    arrays = {}
    with open(path, "rb", buffering=0) as file:
        for key, shape in pixel_shapes(len(rows), upsampling).items():
            offset, row_bytes = offsets[key]
            array = np.empty(shape, "<u2")
            for first, last in _find_runs(rows):
                file.seek(offset + int(rows[first]) * row_bytes)
                _read_into(file, array[first:last].data.cast("B"))
            arrays[key] = array
    return arrays


def write_attributes(path: Path, measured: RowMeasurements, training: int) -> None:
    """Put statistics and checksums into a written cube, and mark it complete.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    measured : RowMeasurements
        Of all rows.
    training : int
        Number of training rows.
    """
    with h5py.File(path, "r+") as file:
        for metres, (mean, std) in describe_bands(measured.sums, training).items():
            file[DATASET_OF[metres]].attrs["mean"] = mean
            file[DATASET_OF[metres]].attrs["std"] = std
            nodata, saturated = measured.special[metres]
            file[DATASET_OF[metres]].attrs["nodata_pixels"] = nodata
            file[DATASET_OF[metres]].attrs["saturated_pixels"] = saturated
        for key, checksums in measured.checksums.items():
            file[key].attrs["checksum"] = combine_checksums(checksums)
        # a dataset's checksum is taken over those of its rows, one by one
        file.attrs.update({"checksum_rows": 1, "complete": True})
        file.attrs[ATTRIBUTES_CHECKSUM] = checksum_attributes(file)


def _find_runs(rows: np.ndarray) -> list[tuple[int, int]]:
    """Runs of consecutive row numbers, as positions in ``rows``: (first, last + 1)."""
    breaks = (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
    return list(pairwise([0, *breaks, len(rows)]))


def _write_at(file: int, array: np.ndarray, offset: int) -> None:
    data = np.ascontiguousarray(array).data.cast("B")
    while data:
        written = os.pwrite(file, data, offset)
        data = data[written:]
        offset += written


def _read_into(file: io.FileIO, buffer: memoryview) -> None:
    while buffer:
        count = file.readinto(buffer)
        if not count:
            raise EOFError("the file ends before its last row")
        buffer = buffer[count:]
