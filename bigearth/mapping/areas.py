"""The area that each label covers in a map."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

SQUARE_METRES = 1_000_000  # of a square kilometre


def measure_areas(
    blocks: Iterable[tuple[int, np.ndarray]], labels: tuple[str, ...], thresholds: np.ndarray, pixel_metres: int
) -> pd.DataFrame:
    """Measure in how much of the mapped area each label reaches its threshold.

    A patch has several labels, so that the areas add up to more than the scene.

    Parameters
    ----------
    blocks : iterable of (first row, (rows, columns, labels) float32)
        See `bigearth.mapping.grid.average_windows`.
    labels : tuple of str
    thresholds : (labels,) float
    pixel_metres : int

    Returns
    -------
    DataFrame [label, threshold, km2, share]
        In the labels' order; ``share`` is of the area that is not masked.
    """
    over = np.zeros(len(labels), np.int64)
    mapped = 0
    for _, block in blocks:
        known = ~np.isnan(block[..., 0])
        mapped += int(known.sum())
        over += (block[known] >= thresholds).sum(axis=0)
    table = pd.DataFrame({"label": labels, "threshold": thresholds})
    table["km2"] = over * pixel_metres**2 / SQUARE_METRES
    table["share"] = over / max(mapped, 1)
    return table
