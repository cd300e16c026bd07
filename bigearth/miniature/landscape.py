"""Land cover of the miniature: six tiles that carry all 43 classes, each beside its plausible neighbours.

A tile is drawn at 20 m. Relief decides where the sea is and orders the base classes from valley to summit; rivers and
roads take least-cost paths; cities grow in the lowland; everything else is placed, region by region, where its
class belongs (a port at city and sea, intertidal flats in front of the coast, burnt areas in forest).
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from bigearth.labels import CLC_CODE
from bigearth.miniature.courses import draw_river, draw_road
from bigearth.miniature.fields import draw_field
from bigearth.miniature.places import PLACES, Tile
from bigearth.miniature.regions import HECTARE, METRES, NOWHERE, find_region, grow_city

CODE = np.array(list(CLC_CODE.values()), np.uint16)
CORE, TOWN, ROAD, RIVER, SEA = 111, 112, 122, 511, 523
WATER_CROSSED_BY_NO_ROAD = (CORE, 123, SEA, 522, 521)
FORESTS = (311, 312, 313, 324, 323)
# Counts in the tiles' recipes are for this many pixels: twelve patches by twelve.
_REFERENCE_PIXELS = (12 * 60) ** 2
_CELL_HECTARES = 150  # of the polygons that the base classes fill


def draw_cover(tile: Tile, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
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
        Class index (uint8) and relative height (float), 120 x side pixels of 10 m squared.
    """
    size = side * 60
    # relief: the sea lies in the north-east of a coastal tile
    rows, cols = np.mgrid[:size, :size] / np.float32(size)
    roughness, tilt = (0.7, 3.0) if tile.sea else (1, 0.9)
    height = draw_field(rng, size, 3.4, 0.6) * roughness + (rows - cols) * tilt
    sea = height < np.quantile(height, tile.sea)

    # base classes, and how well each place suits what comes next
    codes = _draw_base(tile, height, sea, rng)
    codes[sea] = SEA
    counts = _parse_counts(tile.places)
    sites = _rate_sites(sea, height, rng, codes)

    # the river, then region by region, then the road
    if RIVER in counts:
        codes[draw_river(height, sea, sites)] = RIVER
    _place_regions(counts, codes, sites, rng)
    if ROAD in counts:
        codes[draw_road(height, codes) & ~np.isin(codes, WATER_CROSSED_BY_NO_ROAD)] = ROAD

    index = np.zeros(1000, np.uint8)
    index[CODE] = np.arange(len(CODE))
    return _sharpen(index[codes], rng), np.kron(height, np.ones((2, 2), np.float32))


def _parse_counts(places: str) -> dict[int, int]:
    """Regions of each class, from "522:1 112:6"."""
    counts = {}
    for item in places.split():
        code, count = item.split(":")
        counts[int(code)] = int(count)
    return counts


def _draw_base(tile: Tile, height: np.ndarray, sea: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw classes in polygons of some 150 ha, ordered by height, in the recipe's shares of the land."""
    size = len(height)
    seeds = rng.integers(0, size, (max(9, size**2 // (_CELL_HECTARES * HECTARE)), 2))
    bend = [14 * draw_field(rng, size, 3.2, 0.1) for _ in range(2)]
    rows, cols = np.mgrid[:size, :size]
    points = np.stack([rows + bend[0], cols + bend[1]], -1).reshape(-1, 2)
    cell = cKDTree(seeds).query(points)[1].reshape(size, size)
    order = (height / height.std() + 0.4 * draw_field(rng, size, 2.4, 0.35))[tuple(seeds.T)][cell]
    classes = [item.split(":") for item in tile.base.split()]
    shares = np.cumsum([float(share) for _, share in classes])
    limits = np.quantile(order[~sea], shares[:-1] / shares[-1])
    return np.array([int(code) for code, _ in classes], np.uint16)[np.searchsorted(limits, order)]


def _rate_sites(
    sea: np.ndarray, height: np.ndarray, rng: np.random.Generator, codes: np.ndarray
) -> dict[str, np.ndarray]:
    """Rate places, by the names used in `places.PLACES`: from 0 to about 1 (outside its range: `NOWHERE`)."""
    size = len(sea)
    rank = (height - height[~sea].min()) / np.ptp(height[~sea])
    steep = np.hypot(*np.gradient(ndimage.gaussian_filter(height, 4)))
    inland = ndimage.distance_transform_edt(~sea) * METRES if sea.any() else np.full(sea.shape, 1e6)
    offshore = ndimage.distance_transform_edt(sea) * METRES
    forest = np.isin(codes, FORESTS)
    return {
        "low": np.where(sea, NOWHERE, 1 - rank),
        "high": np.where(sea, NOWHERE, rank),
        "hill": np.where(sea, NOWHERE, 1 - 2 * np.abs(rank - 0.45)),
        "flat": 1 - steep / steep.max(),
        "forest": np.where(forest, ndimage.gaussian_filter(forest.astype(np.float32), 12), NOWHERE),
        "beach": np.where((inland > 0) & (inland < 220), 1.0, NOWHERE),
        "shore": np.where((inland > 120) & (inland < 1100), 1.0, NOWHERE),
        "flats": np.where(sea & (offshore < 360), 1.0, NOWHERE),
        "harbour": np.where(np.where(sea, offshore < 250, inland < 450), 1.0, NOWHERE),
        "town": np.full(sea.shape, float(NOWHERE)),
        "outskirts": np.where(sea, NOWHERE, 0.0),
        "river": np.zeros(sea.shape),
        "mouth": np.full(sea.shape, float(NOWHERE)),
        "inland": inland,
        "jitter": draw_field(rng, size, 3.0, 0.08),
    }


def _place_regions(
    counts: dict[int, int], codes: np.ndarray, sites: dict[str, np.ndarray], rng: np.random.Generator
) -> None:
    """Place the regions of every class but river and road, in the recipe's order; changes codes and sites."""
    locked = codes == RIVER
    for code, count in counts.items():
        if code in (ROAD, RIVER):
            continue
        area, where = PLACES[code]
        for i in range(max(1, round(count * codes.size / _REFERENCE_PIXELS))):
            is_village = code == TOWN and i % 2 == 1  # cities differ in size
            if code == TOWN:
                hectares = area * (0.4 if is_village else 1.0)
            else:
                hectares = area * rng.uniform(0.8, 1.25)
            found = find_region(sites, where, hectares, code, codes, locked, rng)
            if found is None:
                continue
            window, region = found
            codes[window][region] = code
            locked[window] |= region
            if code == TOWN:
                grow_city(window, region, is_village, codes, sites)


def _sharpen(cover: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bring a cover from 20 m to 10 m, with borders that wander a few pixels."""
    size = 2 * len(cover)
    rows, cols = np.mgrid[:size, :size]
    shift = [np.rint(1.4 * draw_field(rng, size, 2.0, 0.02)).astype(int) for _ in range(2)]
    return cover[np.clip(rows + shift[0], 0, size - 1) // 2, np.clip(cols + shift[1], 0, size - 1) // 2]
