"""Checksums and statistics of the rows of a cube."""

import math
import os
import zlib

import numpy as np

from bigearth.cube.layout import offsets
from bigearth.patch import BANDS_AT, DATASET_OF, PIXELS


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
    sums = {metres: [np.zeros(len(bands), object) for _ in range(2)] for metres, bands in BANDS_AT.items()}
    resolution = {key: metres for metres, key in DATASET_OF.items()}
    with open(path, "rb", buffering=0) as file:
        for first, last in slabs:
            for key, (offset, size) in places.items():
                data = os.pread(file.fileno(), (last - first) * size, offset + first * size)
                crc[key].append(zlib.crc32(data))
                if key in resolution and first < training:
                    metres = resolution[key]
                    pixels = np.frombuffer(data, "<u2").reshape(last - first, -1, len(BANDS_AT[metres]))
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
    for metres, size in PIXELS.items():
        n = training * size * size
        total, squares = (sum(part[metres][i] for part in sums) for i in range(2))
        # integers up to the one division: the same digits, however the rows were dealt
        mean = [s / n if n else math.nan for s in total]
        std = [math.sqrt((n * q - s * s) / n**2) if n else math.nan for s, q in zip(total, squares, strict=True)]
        result[metres] = mean, std
    return result


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
