"""The grid of a map: where its windows of 1.2 km lie in a scene, and the mean of the windows that meet in a pixel.

All lengths are counted in pixels of 60 m, the coarsest band's, from the scene's upper left corner: there a window of
every resolution starts on a whole pixel.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bigearth.errors import InputError
from bigearth.patch import PATCH_METRES, RESOLUTION

CELL_METRES = max(RESOLUTION.values())
WINDOW_CELLS = PATCH_METRES // CELL_METRES
# Pixel rows that are averaged at a time; at the finest stride they take 50 MB.
ROWS_AT_ONCE = 20


@dataclass(frozen=True)
class Grid:
    """Size of a scene and the stride of its windows, in pixels of 60 m."""

    width: int
    height: int
    stride: int

    @property
    def columns(self) -> np.ndarray:
        """First columns of the windows, (columns,) int."""
        return find_starts(self.width, self.stride)

    @property
    def rows(self) -> np.ndarray:
        """First rows of the windows, (rows,) int."""
        return find_starts(self.height, self.stride)

    @property
    def pixel(self) -> int:
        """Side of the map's pixels: the longest that divides the place of every window's border."""
        return math.gcd(WINDOW_CELLS, self.stride, self.width, self.height)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map's pixels."""
        return self.height // self.pixel, self.width // self.pixel


def make_grid(width_metres: int, height_metres: int, stride_metres: int) -> Grid:
    """Build the grid of a scene.

    Parameters
    ----------
    width_metres, height_metres : int
        Of the scene; multiples of 60.
    stride_metres : int
        From one window to the next: 60 to 1200, a multiple of 60.

    Raises
    ------
    InputError
        The stride is none of these, or the scene is narrower than a window.
    """
    if stride_metres % CELL_METRES or not CELL_METRES <= stride_metres <= PATCH_METRES:
        raise InputError(
            f"stride {stride_metres} is not possible: give a multiple of {CELL_METRES} m up to {PATCH_METRES} m"
        )
    if min(width_metres, height_metres) < PATCH_METRES:
        raise InputError(
            f"the scene is {width_metres} x {height_metres} m large, smaller than a patch of {PATCH_METRES} m: "
            "give a larger scene"
        )
    return Grid(width_metres // CELL_METRES, height_metres // CELL_METRES, stride_metres // CELL_METRES)


def find_starts(length: int, stride: int) -> np.ndarray:
    """Find where windows start along an axis.

    They start every ``stride`` cells; where the last one ends before the axis does, one more is shifted back so that
    it ends with the axis.

    Parameters
    ----------
    length, stride : int
        Cells of 60 m.

    Returns
    -------
    (windows,) int array
    """
    last = length - WINDOW_CELLS
    starts = np.arange(0, last + 1, stride)
    if starts[-1] < last:
        starts = np.append(starts, last)
    return starts


def find_cover(length: int, stride: int, pixel: int) -> np.ndarray:
    """Find which window counts in which pixel along an axis.

    The shifted last window counts only where no other window reaches: so a pixel of an archive's patch holds the score
    of that patch alone.

    Parameters
    ----------
    length, stride, pixel : int
        Cells of 60 m.

    Returns
    -------
    (windows, pixels) bool array
    """
    starts = find_starts(length, stride)
    edges = np.arange(0, length, pixel)
    cover = (edges >= starts[:, None]) & (edges < starts[:, None] + WINDOW_CELLS)
    if starts[-1] % stride:
        cover[-1] &= ~cover[:-1].any(axis=0)
    return cover


def average_windows(scores: np.ndarray, grid: Grid) -> Iterator[tuple[int, np.ndarray]]:
    """Average the scores of the windows that meet in a pixel, some rows of pixels at a time.

    Parameters
    ----------
    scores : (rows, columns, labels) float32
        Of the windows; NaN where a window is masked. A window without score adds nothing to a pixel.
    grid : Grid

    Yields
    ------
    int, (pixel rows, pixel columns, labels) float32 array
        The first pixel row of the block and its scores, NaN where no window has one.
    """
    down = find_cover(grid.height, grid.stride, grid.pixel)
    across = find_cover(grid.width, grid.stride, grid.pixel).astype(np.float32)
    for first in range(0, down.shape[1], ROWS_AT_ONCE):
        part = down[:, first : first + ROWS_AT_ONCE]
        touched = part.any(axis=1)
        weights = part[touched].astype(np.float32)
        block = np.asarray(scores[touched])
        known = ~np.isnan(block[..., 0])
        filled = np.where(known[..., None], block, 0)
        # sum over window rows, then over window columns
        sums = np.tensordot(np.tensordot(weights, filled, (0, 0)), across, (1, 0))
        count = np.tensordot(weights, known.astype(np.float32), (0, 0)) @ across
        with np.errstate(invalid="ignore"):
            yield first, np.moveaxis(sums, 1, 2) / np.where(count > 0, count, np.nan)[..., None]
