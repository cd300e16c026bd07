"""One file from many processes: rows written at their offsets, a journal of what is done, and the finishing.

While it is written a cube lives in the folder ``<cube>.partial/``: ``cube.h5`` (complete in layout), ``plan.json``
(what it will hold), one journal a rank, and a lock. Only a finished file is renamed to the cube's path, so that an
unfinished one is never mistaken for it. Killed processes lose what they did not journal, no more. (A node that loses
power may lose journaled rows, too: to wait for the disk after each unit made two ranks slower by a tenth. Begin anew.)
"""

import json
import math
import os
import shutil
import zlib
from contextlib import contextmanager
from itertools import pairwise

import h5py
import numpy as np

from bigearth.cube import checksum, layout, open_cube, partial
from bigearth.errors import InputError
from bigearth.patch import GROUPS, KEY, SIZE, SUPER

FILE, PLAN, FAILED = "cube.h5", "plan.json", "failed"


def progress(path):
    """Rows written, and rows in all, of a cube; (0, 0) where neither it nor a beginning of it exists.

    Parameters
    ----------
    path : Path or str
        Of the cube.

    Returns
    -------
    tuple of int
    """
    folder = partial(path)
    try:
        rows = json.loads((folder / PLAN).read_text())["rows"]
        return sum(n for _, n in _entries(folder)), rows
    except FileNotFoundError:
        pass
    try:
        n = sum(map(len, open_cube(path).rows.values()))
    except InputError:
        return 0, 0
    return n, n


def resumable(folder, plan):
    """Whether the folder holds the beginning of a cube by this plan, a JSON string."""
    try:
        return (folder / PLAN).read_text() == plan and bool(offsets(folder / FILE))
    except OSError:  # also HDF5's: a kill while attributes were written, or after the finished file had its name
        return False


def finished(folder):
    """Names of the units of work that the journals say are written."""
    return {unit for unit, _ in _entries(folder)}


@contextmanager
def writer(folder, rank):
    """Open the unfinished cube for this rank: a function ``write(unit, rows, arrays)``.

    ``rows`` are row numbers, ``arrays`` a dict of dataset name to what these rows hold. The unit is journaled when all
    of it is written.
    """
    places = offsets(folder / FILE)
    file = os.open(folder / FILE, os.O_WRONLY)
    # a line of its own, lest the last one was cut off by a kill
    journal = os.open(folder / f"journal-{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(journal, b"\n")

    def write(unit, rows, arrays):
        starts = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]  # of runs of consecutive rows
        for key, array in arrays.items():
            offset, size = places[key]
            for start, stop in pairwise(starts):
                _pwrite(file, array[start:stop], offset + int(rows[start]) * size)
        os.write(journal, f"{unit} {len(rows)} written\n".encode())

    try:
        yield write
    finally:
        os.close(file)
        os.close(journal)


def offsets(path):
    """Offset in the file and bytes a row, of every dataset of pixels."""
    with h5py.File(path, "r") as file:
        return {
            key: (dataset.id.get_offset(), int(np.prod(dataset.shape[1:])) * dataset.dtype.itemsize)
            for key, dataset in file.items()
            if key in (*KEY.values(), SUPER)
        }


def measure(path, slabs, training):
    """Read slabs back: their checksums, and sums over the pixels of their training rows.

    Sums are integers, exact, so that the statistics do not depend on who adds them up.

    Parameters
    ----------
    path : Path
    slabs : list of (first, last)
    training : int
        Number of training rows, which come first.

    Returns
    -------
    crc : dict
        Dataset name to the CRC-32 of every slab.
    sums : dict
        Resolution to a list [sum, sum of squares] of integer arrays, one value a band.
    """
    places = offsets(path)
    crc = {key: [] for key in places}
    sums = {metres: [np.zeros(len(bands), object) for _ in range(2)] for metres, bands in GROUPS.items()}
    resolution = {key: metres for metres, key in KEY.items()}
    with open(path, "rb", buffering=0) as file:
        for first, last in slabs:
            for key, (offset, size) in places.items():
                data = os.pread(file.fileno(), (last - first) * size, offset + first * size)
                crc[key].append(zlib.crc32(data))
                if key in resolution and first < training:
                    metres = resolution[key]
                    pixels = np.frombuffer(data, "<u2").reshape(last - first, -1, len(GROUPS[metres]))
                    for total, value in zip(sums[metres], _moments(pixels[: training - first]), strict=True):
                        total += value
    return crc, sums


def statistics(sums, training):
    """Mean and standard deviation per band of the training rows: resolution to two lists.

    Parameters
    ----------
    sums : list of dict
        As `measure` returns them, for all slabs together.
    training : int
        Number of training rows; without any the statistics are NaN.
    """
    result = {}
    for metres, size in SIZE.items():
        n = training * size * size
        total, squares = (sum(part[metres][i] for part in sums) for i in range(2))
        # integers up to the one division: the same digits, however the rows were dealt
        mean = [s / n if n else math.nan for s in total]
        std = [math.sqrt((n * q - s * s) / n**2) if n else math.nan for s, q in zip(total, squares, strict=True)]
        result[metres] = mean, std
    return result


def finish(path, slabs, measured, training):
    """Put attributes, statistics and checksums into the written file, and give it its name.

    Parameters
    ----------
    path : Path
        Of the cube.
    slabs : list of (first, last)
        All slabs, in order.
    measured : list
        What `measure` returned for consecutive parts of the slabs.
    training : int
        Number of training rows.
    """
    folder = partial(path)
    with h5py.File(folder / FILE, "r+") as file:
        for metres, (mean, std) in statistics([sums for _, sums in measured], training).items():
            file[KEY[metres]].attrs["mean"] = mean
            file[KEY[metres]].attrs["std"] = std
        for key in measured[0][0]:
            file[key].attrs["checksum"] = checksum([value for crc, _ in measured for value in crc[key]])
        file.attrs.update({"slab_rows": slabs[0][1] - slabs[0][0], "complete": True})
    with open(folder / FILE, "rb") as stream:
        os.fsync(stream.fileno())  # the name must not reach the disk before the bytes do
    os.replace(folder / FILE, path)
    shutil.rmtree(folder)


def bytes_needed(n, upsampling):
    """Bytes of the pixels of a cube of n patches."""
    return sum(2 * int(np.prod(shape)) for shape in layout(n, upsampling).values())


def _moments(pixels):
    """Sum and sum of squares per band, exact, of (patches, pixels, bands)."""
    bands = pixels.shape[2]
    total, squares = 0, 0
    for patch in pixels:
        # products of 16 bit numbers, 14,400 of them: below 2**53, so float64 adds them exactly in any order;
        # rows of 20 pixels, since sums of long rows are fast
        values = patch.reshape(-1, 20 * bands).astype(np.float64)
        sums = values.sum(0), np.einsum("pb,pb->b", values, values)
        added, squared = (part.reshape(-1, bands).sum(0).astype(np.int64).astype(object) for part in sums)
        total, squares = total + added, squares + squared
    return total, squares


def _pwrite(file, array, offset):
    data = memoryview(np.ascontiguousarray(array)).cast("B")
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _entries(folder):
    """Unit and rows of every whole line of the journals; a unit counts once."""
    found = {}
    for journal in folder.glob("journal-*.txt"):
        for line in journal.read_text().splitlines():
            if line.endswith(" written"):
                unit, rows, _ = line.split()
                found[unit] = int(rows)
    return found.items()
