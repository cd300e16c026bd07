"""Regions of a class in the miniature's landscape: where they suit best, and how a city grows."""

import numpy as np
from scipy import ndimage

METRES = 20  # of a pixel
HECTARE = 10_000 // METRES**2  # pixels
NOWHERE = -9  # rating of a place where a class cannot be
_ACCEPTABLE = -4  # below this a sum of ratings holds a NOWHERE
_CORE = 111  # of a city
_STEP = 4  # places are rated on every fourth pixel
Window = tuple[slice, slice]


def find_region(
    sites: dict[str, np.ndarray],
    where: str,
    hectares: float,
    code: int,
    codes: np.ndarray,
    locked: np.ndarray,
    rng: np.random.Generator,
) -> tuple[Window, np.ndarray] | None:
    """Find a place for a new region of a class: the connected one of the given area that suits best.

    Parameters
    ----------
    sites : dict
        Ratings by name, size x size.
    where : str
        Names of the ratings that count, such as "low river".
    hectares : float
    code : int
        CORINE code of the class.
    codes, locked : numpy.ndarray
        Codes of the landscape, and where it may not change any more, size x size.
    rng : numpy.random.Generator

    Returns
    -------
    window, region
        A window of the landscape, and the region's mask in it; None where there is no room.
    """
    names = where.split()
    coarse = np.s_[::_STEP, ::_STEP]
    suits = sum(sites[name][coarse] for name in names) + rng.uniform(0, 0.5, codes[coarse].shape)
    free = (suits > _ACCEPTABLE) & ~locked[coarse]
    # a neighbour of its own kind would only make one region larger
    suits = suits - 20 * ndimage.gaussian_filter((codes[coarse] == code).astype(np.float32), 7)
    if not free.any():
        return None
    row, col = _STEP * np.array(np.unravel_index(np.argmax(np.where(free, suits, -99)), suits.shape))

    # the nearest free pixels, by a distance that is stretched and jittered
    pixels = int(hectares * HECTARE)
    window = _window_around(row, col, int(3 * np.sqrt(pixels)) + 4, len(codes))
    rows, cols = np.ogrid[window]
    stretch = rng.uniform(0.75, 1.35)
    away = np.hypot((rows - row) * stretch, (cols - col) / stretch) * np.exp(0.3 * sites["jitter"][window])
    unsuited = sum(sites[name][window] for name in names) <= _ACCEPTABLE
    away[locked[window] | unsuited] = np.inf
    last = min(pixels, away.size - 1)
    region = away <= np.partition(away.ravel(), last)[last]
    region = ndimage.binary_opening(region & np.isfinite(away))
    return (window, region) if region.sum() > pixels / 4 else None


def grow_city(
    window: Window, region: np.ndarray, is_village: bool, codes: np.ndarray, sites: dict[str, np.ndarray]
) -> None:
    """Give a new city its core, and rate the places around it for what belongs to a city."""
    rows, cols = window
    row, col = (rows.start + rows.stop) // 2, (cols.start + cols.stop) // 2
    wide = _window_around(row, col, len(region) // 2 + 100, len(codes))
    city = np.zeros(codes.shape, bool)
    city[window] = region
    if not is_village:
        depth = ndimage.distance_transform_edt(region)
        codes[window][depth > np.quantile(depth[region], 0.62)] = _CORE
    away = ndimage.distance_transform_edt(~city[wide]) * METRES
    land = sites["outskirts"][wide] > _ACCEPTABLE
    sites["town"][wide] = np.maximum(sites["town"][wide], np.where(away < 250, 1.0, NOWHERE))
    near = np.where(land, np.exp(-((away / 1200) ** 2)), NOWHERE)
    sites["outskirts"][wide] = np.maximum(sites["outskirts"][wide], near)
    sites["harbour"][wide] += 0.5 * np.exp(-away / 800)


def _window_around(row: int, col: int, reach: int, size: int) -> Window:
    return np.s_[max(0, row - reach) : min(size, row + reach), max(0, col - reach) : min(size, col + reach)]
