"""Checksums of rows, and statistics of the bands over the training rows.

Sums are integers and therefore exact: the statistics do not depend on which rank adds what.
"""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bigearth.cube.layout import checksum_rows
from bigearth.patch import BANDS_AT, DATASET_OF, NODATA, PIXELS, SATURATED

_RESOLUTION_OF = {key: metres for metres, key in DATASET_OF.items()}
# Sums are taken over lines of this many pixels, since sums of long lines are fast; divides every patch.
_LINE = 20


@dataclass(frozen=True)
class RowMeasurements:
    """Measurements of some rows of a cube.

    Attributes
    ----------
    rows : (n,) int array
        Row numbers.
    checksums : dict
        Dataset name to the CRC-32 of each of these rows, (n,) uint32.
    sums : dict
        Resolution in m to the sum and the sum of squares per band over the training rows among them: (2, bands) array
        of Python integers.
    special : dict
        Resolution in m to the number of pixels without data and of saturated ones, per band: (2, bands) int array.
    """

    rows: np.ndarray
    checksums: dict[str, np.ndarray]
    sums: dict[int, np.ndarray]
    special: dict[int, np.ndarray]

    def checksum(self) -> int:
        """Return one CRC-32 over all rows and datasets."""
        value = zlib.crc32(self.rows.astype("<i8").tobytes())
        for key in sorted(self.checksums):
            value = zlib.crc32(self.checksums[key].astype("<u4").tobytes(), value)
        return value


def measure_rows(rows: np.ndarray, arrays: dict[str, np.ndarray], training: int) -> RowMeasurements:
    """Measure rows of a cube.

    Parameters
    ----------
    rows : (n,) int array
        Row numbers.
    arrays : dict
        Dataset name to what these rows hold, (n, size, size, bands) uint16.
    training : int
        Number of training rows of the cube, which come first.
    """
    checksums = {}
    for key, array in arrays.items():
        checksums[key] = checksum_rows(array)
    return RowMeasurements(np.asarray(rows), checksums, sum_bands(rows, arrays, training), count_special(arrays))


def sum_bands(rows: np.ndarray, arrays: dict[str, np.ndarray], training: int) -> dict[int, np.ndarray]:
    """Sum the pixels of training rows; parameters as in `measure_rows`, result as in `RowMeasurements`."""
    sums = no_sums()
    for key, metres in _RESOLUTION_OF.items():
        for row, patch in zip(rows, arrays[key], strict=True):
            if row < training:
                sums[metres] += _sum_patch(patch)
    return sums


def combine(parts: Iterable[RowMeasurements]) -> RowMeasurements:
    """Put measurements of different rows together, in the order of the rows."""
    parts = list(parts)
    if not parts:
        return RowMeasurements(np.empty(0, int), {}, no_sums(), no_special())
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows, kind="stable")
    keys = sorted({key for part in parts for key in part.checksums})
    parts_with_rows = [part for part in parts if len(part.rows)]
    checksums = {}
    for key in keys:
        checksums[key] = np.concatenate([part.checksums[key] for part in parts_with_rows])[order]
    sums, special = no_sums(), no_special()
    for part in parts:
        for metres in BANDS_AT:
            sums[metres] += part.sums[metres]
            special[metres] += part.special[metres]
    return RowMeasurements(rows[order], checksums, sums, special)


def count_special(arrays: dict[str, np.ndarray]) -> dict[int, np.ndarray]:
    """Count the pixels without data (0, also what a radiometric offset took below 0) and the saturated ones (65535).

    Parameters
    ----------
    arrays : dict
        Dataset name to (n, size, size, bands) uint16.

    Returns
    -------
    dict
        As ``special`` of `RowMeasurements`.
    """
    special = no_special()
    for key, metres in _RESOLUTION_OF.items():
        for patch in arrays[key]:
            if patch.min() == NODATA:
                special[metres][0] += (patch == NODATA).sum((0, 1))
            if patch.max() == SATURATED:
                special[metres][1] += (patch == SATURATED).sum((0, 1))
    return special


def describe_bands(sums: dict[int, np.ndarray], training: int) -> dict[int, tuple[list[float], list[float]]]:
    """Return mean and standard deviation per band of the training rows: resolution to two lists.

    Parameters
    ----------
    sums : dict
        As in `RowMeasurements`, of all rows.
    training : int
        Number of training rows; without any the statistics are NaN.
    """
    result = {}
    for metres, size in PIXELS.items():
        n = training * size * size
        means, deviations = [], []
        for total, squares in zip(*sums[metres], strict=True):
            # integers up to the one division: the same digits, however the rows were shared out
            means.append(total / n if n else math.nan)
            deviations.append(math.sqrt((n * squares - total * total) / n**2) if n else math.nan)
        result[metres] = means, deviations
    return result


def no_sums() -> dict[int, np.ndarray]:
    """Return the sums of no pixels, to be added to."""
    return {metres: np.zeros((2, len(bands)), object) for metres, bands in BANDS_AT.items()}


def no_special() -> dict[int, np.ndarray]:
    """Return the counts of no pixels, to be added to."""
    return {metres: np.zeros((2, len(bands)), np.int64) for metres, bands in BANDS_AT.items()}


def _sum_patch(patch: np.ndarray) -> np.ndarray:
    """Sum and sum of squares per band, exact, of a patch (size, size, bands): (2, bands) array of Python integers."""
    bands = patch.shape[-1]
    # products of 16 bit numbers, 14,400 of them: below 2**53, so that float64 adds them exactly in any order
    values = patch.reshape(-1, _LINE * bands).astype(np.float64)
    total = values.sum(0).reshape(-1, bands).sum(0)
    squares = np.einsum("pb,pb->b", values, values).reshape(-1, bands).sum(0)
    return np.stack([total, squares]).astype(np.int64).astype(object)
