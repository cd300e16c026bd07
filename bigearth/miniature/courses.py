"""The courses of the miniature's river and road: least-cost paths across a tile."""

import numpy as np
from scipy import ndimage
from skimage.graph import route_through_array

from bigearth.miniature.regions import METRES, NOWHERE

_STEP = 6  # the search runs on every sixth pixel
_CITY, _WATERS = 112, (523, 522, 521, 512, 421, 422, 423)
_RIVER_HALF_WIDTH, _ROAD_HALF_WIDTH = 75, 62  # m


def draw_river(height: np.ndarray, sea: np.ndarray, sites: dict[str, np.ndarray]) -> np.ndarray:
    """Draw a river in the lowest way across the tile, from the western border to the sea or the eastern border.

    Returns its mask (size x size), and rates places near it in `sites`.
    """
    size = len(height)
    course = _find_path(height, (3 * size // 4, 0), (size // 4, size - 1), 1.2)
    wet = np.flatnonzero(sea[tuple(course.T)])
    if wet.size:
        course = course[: wet[0] + 1]
    away = _measure_distance(course, size)
    sites["river"] = np.exp(-away / 500)
    if wet.size:
        toward = _measure_distance(course[-1:], size)
        sites["mouth"] = np.where((toward < 1300) & (sea | (away < 320)), 2 - toward / 1300, NOWHERE)
    return (away < _RIVER_HALF_WIDTH) & ~sea


def draw_road(height: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Draw a motorway from the northern to the southern border, past the cities, around water: its mask."""
    size = len(height)
    city = ndimage.gaussian_filter((codes == _CITY).astype(np.float32), 20)
    cost = 0.3 * height - 4 * city + 6 * np.isin(codes, _WATERS)
    course = _find_path(cost, (0, size // 3), (size - 1, 2 * size // 3), 1.0)
    return _measure_distance(course, size) < _ROAD_HALF_WIDTH


def _find_path(cost: np.ndarray, start: tuple[int, int], end: tuple[int, int], power: float) -> np.ndarray:
    """Points (n x 2) of a smooth least-cost line."""
    small = ndimage.zoom(cost, 1 / _STEP, order=1)
    last = np.array(small.shape) - 1
    ends = [tuple(np.minimum(np.array(point) // _STEP, last)) for point in (start, end)]
    way, _ = route_through_array(np.exp(power * (small - small.mean()) / small.std()) + 0.05, *ends)
    way = ndimage.gaussian_filter1d(np.array(way, float), 2.0, axis=0, mode="nearest") * _STEP + _STEP / 2
    fine = np.linspace(0, len(way) - 1, len(way) * _STEP * 2)
    points = np.stack([np.interp(fine, np.arange(len(way)), way[:, axis]) for axis in (0, 1)], axis=1)
    return np.clip(points.astype(int), 0, len(cost) - 1)


def _measure_distance(points: np.ndarray, size: int) -> np.ndarray:
    """Distance in m from the nearest of some points, size x size."""
    others = np.ones((size, size), bool)
    others[tuple(points.T)] = False
    return ndimage.distance_transform_edt(others) * METRES
