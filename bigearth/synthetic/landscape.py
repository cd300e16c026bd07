"""Land cover of the miniature: six tiles, 43 classes, plausible neighbours."""

from dataclasses import dataclass

import numpy as np

from bigearth.nomenclature import LABELS_43


@dataclass(frozen=True)
class Tile:
    """One acquisition of one MGRS tile; `x`, `y` are the upper-left corner in m."""

    name: str
    epsg: int
    x: int
    y: int
    country: str
    mission: str
    sensed: str
    orbit: int


TILES = (
    Tile("T29SNC", 32629, 499980, 4300020, "Portugal", "S2A", "20170724T112121", 37),
    Tile("T29UPU", 32629, 600000, 5900040, "Ireland", "S2B", "20180511T114359", 123),
    Tile("T32TMT", 32632, 399960, 5300040, "Switzerland", "S2A", "20180605T103021", 108),
    Tile("T33UWP", 32633, 499980, 5400000, "Austria", "S2B", "20180418T095029", 79),
    Tile("T34TEQ", 32634, 499980, 5000040, "Serbia", "S2B", "20170907T093039", 136),
    Tile("T35VPK", 32635, 600000, 7000020, "Finland", "S2A", "20170916T094031", 36),
)


def cover_map(tile, size, rng):
    """Placeholder."""
    seeds = rng.integers(0, size, (max(4, size * size // 5000), 2))
    from scipy.spatial import cKDTree

    grid = np.stack(np.mgrid[:size, :size], -1).reshape(-1, 2)
    cell = cKDTree(seeds).query(grid)[1].reshape(size, size)
    weight = 1 / np.arange(3, 46)
    return rng.choice(len(LABELS_43), len(seeds), p=weight / weight.sum()).astype(np.uint8)[cell]
