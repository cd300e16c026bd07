"""Land cover of the miniature: six tiles that carry all 43 classes, each beside its plausible neighbours.

A tile is drawn at 20 m. Relief decides where the sea is and orders the base classes from valley to summit; rivers and
roads take least-cost paths; cities grow in the lowland; everything else is placed, region by region, where its
class belongs (a port at city and sea, intertidal flats in front of the coast, burnt areas in forest).
"""

import numpy as np
from scipy import fft, ndimage
from scipy.spatial import cKDTree
from skimage.graph import route_through_array

from bigearth.labels import CLC_CODE
from bigearth.miniature.places import PLACES

CODE = np.array(list(CLC_CODE.values()), np.uint16)
METRES = 20
HECTARE = 10_000 // METRES**2
# Counts in the tiles' recipes are for this many pixels: twelve patches by twelve.
_REFERENCE = (12 * 60) ** 2


def fractal(rng, size, slope=3.0, longest=1.0):
    """Random field with a power-law spectrum, mean 0 and standard deviation 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Pixels per side.
    slope : float
        Exponent of the power spectrum's decay: 0 is white noise, 3 - 4 is terrain.
    longest : float
        Longest wavelength as a share of the side.

    Returns
    -------
    numpy.ndarray
        size x size, float32.
    """
    spectrum = fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    frequency = np.hypot(fft.fftfreq(size)[:, None], fft.rfftfreq(size)[None]).astype(np.float32) * size
    gain = np.maximum(frequency, 1 / longest) ** np.float32(-slope / 2)
    gain[0, 0] = 0
    field = fft.irfft2(spectrum * gain, (size, size))
    return field / field.std()


def draw(tile, side, rng):
    """Draw the land cover of a tile.

    Parameters
    ----------
    tile : Tile
    side : int
        Patches per side.
    rng : numpy.random.Generator

    Returns
    -------
    cover, height : numpy.ndarray
        Class index (uint8) and relative height (float32), 120 x side pixels of 10 m squared.
    """
    size = side * 60
    rows, cols = np.mgrid[:size, :size] / np.float32(size)
    height = fractal(rng, size, 3.4, 0.6) * (0.7 if tile.sea else 1) + (rows - cols) * (3.0 if tile.sea else 0.9)
    sea = height < np.quantile(height, tile.sea)
    codes = _base(tile, height, sea, rng)
    codes[sea] = 523
    counts = {int(code): int(n) for code, n in (item.split(":") for item in tile.places.split())}
    sites = _sites(sea, height, rng, codes)
    if 511 in counts:
        codes[_river(height, sea, sites)] = 511
    locked = codes == 511
    for code, count in counts.items():
        if code in (122, 511):
            continue
        area, where = PLACES[code]
        for i in range(max(1, round(count * size**2 / _REFERENCE))):
            # Cities differ in size: each second one is a village.
            hectares = area * (1.0, 0.4)[i % 2] if code == 112 else area * rng.uniform(0.8, 1.25)
            found = _region(sites, where, hectares, code, codes, locked, rng)
            if found is None:
                continue
            window, region = found
            codes[window][region] = code
            locked[window] |= region
            if code == 112:
                _settle(window, region, i % 2, codes, sites)
    if 122 in counts:
        codes[_road(height, codes) & ~np.isin(codes, (111, 123, 523, 522, 521))] = 122
    index = np.zeros(1000, np.uint8)
    index[CODE] = np.arange(len(CODE))
    return _sharpen(index[codes], rng), np.kron(height, np.ones((2, 2), np.float32))


def _base(tile, height, sea, rng):
    """Classes in polygons of some 150 ha, ordered by height, in the recipe's shares of the land."""
    size = len(height)
    seeds = rng.integers(0, size, (max(9, size**2 // (150 * HECTARE)), 2))
    bend = [14 * fractal(rng, size, 3.2, 0.1) for _ in range(2)]
    rows, cols = np.mgrid[:size, :size]
    points = np.stack([rows + bend[0], cols + bend[1]], -1).reshape(-1, 2)
    cell = cKDTree(seeds).query(points)[1].reshape(size, size)
    order = (height / height.std() + 0.4 * fractal(rng, size, 2.4, 0.35))[tuple(seeds.T)][cell]
    classes = [item.split(":") for item in tile.base.split()]
    shares = np.cumsum([float(share) for _, share in classes])
    limits = np.quantile(order[~sea], shares[:-1] / shares[-1])
    return np.array([int(code) for code, _ in classes], np.uint16)[np.searchsorted(limits, order)]


def _sites(sea, height, rng, codes):
    """Fields that say, from 0 to about 1, how well a place suits (outside its range: -9)."""
    size = len(sea)
    rank = (height - height[~sea].min()) / np.ptp(height[~sea])
    steep = np.hypot(*np.gradient(ndimage.gaussian_filter(height, 4)))
    inland = ndimage.distance_transform_edt(~sea) * METRES if sea.any() else np.full(sea.shape, 1e6)
    offshore = ndimage.distance_transform_edt(sea) * METRES
    forest = np.isin(codes, (311, 312, 313, 324, 323))
    return {
        "low": np.where(sea, -9, 1 - rank),
        "high": np.where(sea, -9, rank),
        "hill": np.where(sea, -9, 1 - 2 * np.abs(rank - 0.45)),
        "flat": 1 - steep / steep.max(),
        "forest": np.where(forest, ndimage.gaussian_filter(forest.astype(np.float32), 12), -9),
        "beach": np.where((inland > 0) & (inland < 220), 1.0, -9),
        "shore": np.where((inland > 120) & (inland < 1100), 1.0, -9),
        "flats": np.where(sea & (offshore < 360), 1.0, -9),
        "harbour": np.where(np.where(sea, offshore < 250, inland < 450), 1.0, -9),
        "town": np.full(sea.shape, -9.0),
        "outskirts": np.where(sea, -9, 0.0),
        "river": np.zeros(sea.shape),
        "mouth": np.full(sea.shape, -9.0),
        "inland": inland,
        "jitter": fractal(rng, size, 3.0, 0.08),
    }


def _region(sites, where, hectares, code, codes, locked, rng):
    """Window and mask of a new region of a class: the connected place of the given area that suits best."""
    coarse = np.s_[::4, ::4]
    suits = sum(sites[name][coarse] for name in where.split()) + rng.uniform(0, 0.5, codes[coarse].shape)
    free = (suits > -4) & ~locked[coarse]
    # A neighbour of its own kind would only make one region larger.
    suits = suits - 20 * ndimage.gaussian_filter((codes[coarse] == code).astype(np.float32), 7)
    if not free.any():
        return None
    row, col = 4 * np.array(np.unravel_index(np.argmax(np.where(free, suits, -99)), suits.shape))
    pixels = int(hectares * HECTARE)
    window = _around(row, col, int(3 * np.sqrt(pixels)) + 4, len(codes))
    rows, cols = np.ogrid[window]
    stretch = rng.uniform(0.75, 1.35)
    away = np.hypot((rows - row) * stretch, (cols - col) / stretch) * np.exp(0.3 * sites["jitter"][window])
    away[locked[window] | (sum(sites[name][window] for name in where.split()) <= -4)] = np.inf
    region = away <= np.partition(away.ravel(), min(pixels, away.size - 1))[min(pixels, away.size - 1)]
    region = ndimage.binary_opening(region & np.isfinite(away))
    return (window, region) if region.sum() > pixels / 4 else None


def _around(row, col, reach, size):
    return np.s_[max(0, row - reach) : min(size, row + reach), max(0, col - reach) : min(size, col + reach)]


def _settle(window, region, village, codes, sites):
    """Give a new city its core, and what grows around it its place."""
    rows, cols = window
    wide = _around((rows.start + rows.stop) // 2, (cols.start + cols.stop) // 2, len(region) // 2 + 100, len(codes))
    city = np.zeros(codes.shape, bool)
    city[window] = region
    if not village:
        depth = ndimage.distance_transform_edt(region)
        codes[window][depth > np.quantile(depth[region], 0.62)] = 111
    away = ndimage.distance_transform_edt(~city[wide]) * METRES
    land = sites["outskirts"][wide] > -4
    sites["town"][wide] = np.maximum(sites["town"][wide], np.where(away < 250, 1.0, -9))
    near = np.where(land, np.exp(-((away / 1200) ** 2)), -9)
    sites["outskirts"][wide] = np.maximum(sites["outskirts"][wide], near)
    sites["harbour"][wide] += 0.5 * np.exp(-away / 800)


def _river(height, sea, sites):
    """A river in the lowest way across the tile, from the western border to the sea or the eastern border."""
    size = len(height)
    course = _path(height, (3 * size // 4, 0), (size // 4, size - 1), 1.2)
    wet = np.flatnonzero(sea[tuple(course.T)])
    if wet.size:
        course = course[: wet[0] + 1]
    away = _distance(course, size)
    sites["river"] = np.exp(-away / 500)
    if wet.size:
        toward = _distance(course[-1:], size)
        sites["mouth"] = np.where((toward < 1300) & (sea | (away < 320)), 2 - toward / 1300, -9)
    return (away < 75) & ~sea


def _road(height, codes):
    """A motorway from the northern to the southern border, past the cities, around water."""
    size = len(height)
    city = ndimage.gaussian_filter((codes == 112).astype(np.float32), 20)
    cost = 0.3 * height - 4 * city + 6 * np.isin(codes, (523, 522, 521, 512, 421, 422, 423))
    return _distance(_path(cost, (0, size // 3), (size - 1, 2 * size // 3), 1.0), size) < 62


def _path(cost, start, end, power, step=6):
    """Points (n x 2) of a smooth least-cost line; the search runs on every sixth pixel."""
    small = ndimage.zoom(cost, 1 / step, order=1)
    last = np.array(small.shape) - 1
    ends = [tuple(np.minimum(np.array(point) // step, last)) for point in (start, end)]
    way, _ = route_through_array(np.exp(power * (small - small.mean()) / small.std()) + 0.05, *ends)
    way = ndimage.gaussian_filter1d(np.array(way, float), 2.0, axis=0, mode="nearest") * step + step / 2
    fine = np.linspace(0, len(way) - 1, len(way) * step * 2)
    points = np.stack([np.interp(fine, np.arange(len(way)), way[:, axis]) for axis in (0, 1)], axis=1)
    return np.clip(points.astype(int), 0, len(cost) - 1)


def _distance(points, size):
    """Distance in m from the nearest of some points."""
    others = np.ones((size, size), bool)
    others[tuple(points.T)] = False
    return ndimage.distance_transform_edt(others) * METRES


def _sharpen(cover, rng):
    """From 20 m to 10 m, with borders that wander a few pixels."""
    size = 2 * len(cover)
    rows, cols = np.mgrid[:size, :size]
    shift = [np.rint(1.4 * fractal(rng, size, 2.0, 0.02)).astype(int) for _ in range(2)]
    return cover[np.clip(rows + shift[0], 0, size - 1) // 2, np.clip(cols + shift[1], 0, size - 1) // 2]
