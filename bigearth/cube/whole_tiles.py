"""Tiles brought to 10 m as a whole, before patches are cut from them, as the paper draws it (its Figure 2).

A rank brings one of its tiles after the other to 10 m, cuts its patches, and removes the tile's bands again: twelve
bands of a tile of Sentinel-2 are 2.9 GB.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from bigearth.archive import tile_pixels
from bigearth.archive.products import Tile
from bigearth.cube.units import Unit
from bigearth.patch import PIXELS, RESOLUTION
from bigearth.upsampling.super_resolved import SuperResolved, super_resolve_share

_FACTOR = max(RESOLUTION.values()) // min(RESOLUTION.values())  # corners count pixels of 60 m


class WholeTiles:
    """The tiles of a rank at 10 m, one at a time.

    Parameters
    ----------
    folder : Path
        Gets a folder for each tile while it is needed. A tile that an interrupted run left there is completed.
    models : dict
        DSen2's networks, {20: keras.Model, 60: keras.Model}.
    """

    def __init__(self, folder: Path, models: dict):
        self.folder = folder
        self.models = models
        self._tile: Tile | None = None
        self._store: SuperResolved | None = None

    def cut(self, unit: Unit) -> np.ndarray:
        """Cut the patches of a unit from its tile, which is brought to 10 m first: (n, 120, 120, 12) uint16."""
        assert unit.windows is not None
        if self._store is None or unit.windows.tile != self._tile:
            self.remove_tile()
            self._tile = unit.windows.tile
            self._store = self._super_resolve(self._tile)
        corners = unit.windows.corners[unit.first : unit.first + len(unit.rows)] * _FACTOR
        patches = []
        for left, top in corners.tolist():
            patches.append(self._store.read_windows(top, np.array([left]), PIXELS[10]))
        return np.concatenate(patches)

    def remove_tile(self) -> None:
        """Remove the bands of the tile at 10 m, once its patches are written."""
        if self._store is not None:
            shutil.rmtree(self._store.folder, ignore_errors=True)
            self._store = None

    def _super_resolve(self, tile: Tile) -> SuperResolved:
        first = tile_pixels.open_bands(tile)[10][0]
        store = SuperResolved(self.folder / tile.name, first.RasterYSize, first.RasterXSize)
        written = set()
        if store.is_begun():
            written = store.find_written()
        else:
            store.create()
        super_resolve_share(tile, store, written, lambda: self.models, 0, 1)
        return store


@contextmanager
def open_whole_tiles(folder: Path, models: dict | None, wanted: bool) -> Iterator[WholeTiles | None]:
    """Yield the tiles of a rank at 10 m; None where patches are cut out first. The last tile is removed at the end."""
    if not wanted:
        yield None
        return
    tiles = WholeTiles(folder, models or {})
    yield tiles
    tiles.remove_tile()  # not after a failure: then its strips are used when the cube is resumed
    with suppress(OSError):  # another rank is still at work there
        folder.rmdir()
