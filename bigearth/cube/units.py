"""Units of work: rows of the cube that are read, written and journaled at once, and their sharing over ranks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np

from bigearth.archive.geotiff import Place
from bigearth.archive.pixels import read_patch
from bigearth.archive.source import Archive
from bigearth.archive.windows import TileWindows, read_windows
from bigearth.cube.tile_shares import DISTRIBUTIONS
from bigearth.patch import BANDS_AT, PIXELS

Native = dict[int, np.ndarray]  # resolution in m to (n, size, size, bands) uint16


@dataclass(frozen=True)
class Unit:
    """Some rows of the cube, and where their pixels come from: folders of patches, or a part of a tile's windows.

    Attributes
    ----------
    name : str
        In the journal.
    rows : (n,) int array
        Row numbers.
    folders : list of str
        Of the patches in the archive; empty where they are cut from a tile.
    places : list of Place
        Where the patches must lie, one for each folder; empty where that is not known from their own metadata.
    windows : TileWindows or None
        Of the tile; those of this unit begin at ``first``.
    """

    name: str
    rows: np.ndarray
    folders: list[str]
    places: list[Place]
    windows: TileWindows | None = None
    first: int = 0


def share_slabs(
    folders: list[str],
    places: list[Place],
    slab_rows: int,
    rank: int,
    ranks: int,
    order: np.ndarray | None = None,
) -> list[Unit]:
    """Return the units of a rank where patches are read from an archive: consecutive slabs of rows.

    Where the archive is fast in one order only, a unit is a run of patches in that order, whose rows are scattered over
    the cube.
    """
    starts = np.arange(0, len(folders), slab_rows)
    units = []
    for first in np.array_split(starts, ranks)[rank].tolist():
        last = min(first + slab_rows, len(folders))
        rows = np.arange(first, last) if order is None else order[first:last]
        chosen = rows.tolist()
        here = [places[row] for row in chosen] if places else []
        units.append(Unit(f"slab-{first}", rows, [folders[row] for row in chosen], here))
    return units


def share_tiles(tiles: list[TileWindows], slab_rows: int, distribution: str, rank: int, ranks: int) -> list[Unit]:
    """Return the units of a rank where patches are cut from tiles.

    A rank has whole tiles; a unit is a run of windows of one tile in raster order, whose rows are scattered over the
    cube.
    """
    deal = DISTRIBUTIONS[distribution]
    counts = [len(tile.rows) for tile in tiles]
    units = []
    for i in deal(counts, ranks)[rank]:
        for first in range(0, counts[i], slab_rows):
            rows = tiles[i].rows[first : first + slab_rows]
            units.append(Unit(f"{tiles[i].tile.name}-{first}", rows, [], [], tiles[i], first))
    return units


def read_units(units: list[Unit], archive: Archive) -> Iterator[tuple[Unit, Native]]:
    """Read the native bands of units, one after the other; those of patches from the archive.

    Yields
    ------
    (Unit, dict)
        The dict holds resolution in m to (n, size, size, bands) uint16.
    """
    for tile, of_tile in groupby(units, _name_tile):
        if tile is None:
            for unit in of_tile:
                yield unit, read_slab(archive, unit.folders, unit.places)
        else:
            yield from _read_tile(list(of_tile))


def read_slab(archive: Archive, folders: Sequence[str], places: Sequence[Place] = ()) -> Native:
    """Read the native bands of patches of an archive: resolution in m to (n, size, size, bands) uint16.

    Where places are given, InputError is raised for a patch that lies elsewhere: it is another one under this name.
    """
    slab = {}
    for metres, bands in BANDS_AT.items():
        slab[metres] = np.empty((len(folders), PIXELS[metres], PIXELS[metres], len(bands)), np.uint16)
    for i, folder in enumerate(folders):
        out = {metres: array[i] for metres, array in slab.items()}
        read_patch(archive.path / folder, out, places[i] if places else None, archive)
    return slab


def _name_tile(unit: Unit) -> str | None:
    return None if unit.windows is None else unit.windows.tile.name


def _read_tile(units: list[Unit]) -> Iterator[tuple[Unit, Native]]:
    """Read units of one tile in raster order, its bands opened once: blocks that two units share are decoded once."""
    all_windows = units[0].windows
    assert all_windows is not None
    wanted = np.concatenate([np.arange(unit.first, unit.first + len(unit.rows)) for unit in units])
    patches = read_windows(all_windows.choose(wanted))
    for unit in units:
        pixels = [patch for _, patch in islice(patches, len(unit.rows))]
        native = {}
        for metres in BANDS_AT:
            native[metres] = np.stack([patch[metres] for patch in pixels])
        yield unit, native
