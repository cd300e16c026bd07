"""Textures of the miniature: fields between 0 and 1 that say which part of a mixture a pixel shows."""

import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from bigearth.miniature.fields import draw_field


def draw_textures(size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the textures of a tile, evenly distributed between 0 and 1.

    Parameters
    ----------
    size : int
        Pixels of 10 m per side.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to numpy.ndarray
        By the names used in `spectra.MIXTURES`.
    """
    grid = _Grid(size, rng)
    across, along = grid.across, grid.along
    wave = np.abs((across % 4) / 2 - 1)
    tree = np.maximum(np.abs((across % 5) / 2.5 - 1), np.abs((along % 5) / 2.5 - 1)) ** 2
    hedge = np.minimum(along % 34, across % 17) < 1
    creek = draw_field(rng, size, 2.4, 0.03)
    return {
        "fine": _draw_noise(size, rng, 0.6),
        "clumps": _draw_noise(size, rng, 1.6),
        "stands": _draw_noise(size, rng, 3.2, 2),
        "patches": _draw_noise(size, rng, 6.0, 3),
        "fields": grid.draw_cells(40, 18),
        "fields_hedged": np.where(hedge, 0.95, 0.85 * grid.draw_cells(34, 17)),
        "strips": grid.draw_cells(22, 6),
        "rows": wave,
        "dots": tree,
        "bands": np.where(across % 60 < 6, 0.9, np.where(across % 60 > 50, 0.75, 0.3)),
        "creeks": 1 - np.abs(2 * ndtr(creek) - 1),
        "blocks_small": grid.draw_streets(7, 6, 0.36),
        "blocks": grid.draw_streets(12, 9, 0.21),
        "blocks_large": grid.draw_streets(22, 15, 0.26),
    }


class _Grid:
    """The directions in which fields and streets run: they turn from district to district."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.rng = rng
        rows, cols = np.mgrid[:size, :size].astype(np.float32)
        self.district = np.floor(7 * ndtr(draw_field(rng, size, 5.0, 0.12))).astype(np.float32)
        angle = self.district * np.float32(0.45) + np.float32(rng.uniform(0, np.pi))
        self.along = rows * np.sin(angle) + cols * np.cos(angle) + 3000
        self.across = rows * np.cos(angle) - cols * np.sin(angle) + 3000

    def draw_cells(self, length: float, width: float) -> np.ndarray:
        """Draw rectangles, each of one random value."""
        key = np.floor(self.along / length) * 79 + np.floor(self.across / width) * 1031 + 7 * self.district
        return self.rng.random(4099, dtype=np.float32)[key.astype(np.int32) % 4099]

    def draw_streets(self, length: float, width: float, share: float) -> np.ndarray:
        """Draw building blocks; the last part of the mixture, of this share, lies between them."""
        gap = np.minimum(self.along % length, self.across % width) < 1
        return np.where(gap, 0.999, self.draw_cells(length / 2, width / 2) * (1 - share / 3))


def _draw_noise(size: int, rng: np.random.Generator, blur: float, step: int = 1) -> np.ndarray:
    """Draw noise, blurred by this many pixels; drawn on every `step`-th pixel."""
    field = rng.standard_normal((size // step, size // step), dtype=np.float32)
    field = ndimage.gaussian_filter(field, blur / step, truncate=3)
    if step > 1:
        field = ndimage.uniform_filter(np.kron(field, np.ones((step, step), np.float32)), step)
    return ndtr(field / field.std())
