"""A rank's share of a cube: its units of work, written and measured, those of an interrupted run verified.

Units come from `units`; their pixels go into the file by `writing` and are measured by `statistics` on the way, so that
nothing that was just written is read again.
"""

from contextlib import closing
from dataclasses import dataclass

from bigearth.archive.geotiff import Place
from bigearth.archive.source import Archive, open_archive
from bigearth.archive.windows import TileWindows
from bigearth.background import read_ahead
from bigearth.cube.request import Request
from bigearth.cube.statistics import RowMeasurements, combine, measure_rows
from bigearth.cube.unfinished import JournalEntry, UnfinishedCube
from bigearth.cube.units import Unit, read_units, share_slabs, share_tiles
from bigearth.cube.whole_tiles import open_whole_tiles
from bigearth.cube.writing import WriteUnit, open_writer, read_rows
from bigearth.patch import DATA_SUPER
from bigearth.upsampling.datasets import load_networks, make_datasets


@dataclass(frozen=True)
class Work:
    """Description of a cube from which every rank writes its share.

    Attributes
    ----------
    kept : bool
        Whether the cube was there already, finished: then there is nothing to do.
    rows, training : int
        Rows of the cube, and how many of them, the first ones, are for training.
    slab_rows : int
        Rows per unit of work.
    folders : list of str
        Of the patch of each row, in the archive; empty where patches are cut from tiles.
    places : list of Place
        Where each patch of a v1.0 archive lies by its own JSON; empty otherwise.
    tiles : list of TileWindows
        What is cut from each tile; empty where patches are read from the archive.
    journaled : dict
        Units that an interrupted run wrote.
    """

    request: Request
    kept: bool
    rows: int
    training: int
    slab_rows: int
    folders: list[str]
    places: list[Place]
    tiles: list[TileWindows]
    journaled: dict[str, JournalEntry]


@dataclass(frozen=True)
class Share:
    """Result of a rank: rows that it wrote, rows of an interrupted run that it found whole, measurements of all."""

    written: int
    found: int
    measured: RowMeasurements


def write_share(unfinished: UnfinishedCube, work: Work, rank: int, ranks: int) -> Share:
    """Write this rank's units of work that are not journaled, and then verify the journaled ones.

    What an interrupted run wrote is verified last: new rows are written within seconds of a restart, and a run that is
    interrupted again and again reads them back once. Rows that are not what the journal says are written again.
    """
    archive = open_archive(work.request.archive, work.request.workdir)
    if work.tiles:
        units = share_tiles(work.tiles, work.slab_rows, work.request.distribution, rank, ranks)
    else:
        order = archive.order(work.folders)
        units = share_slabs(work.folders, work.places, work.slab_rows, rank, ranks, order)
    journaled = [unit for unit in units if _is_journaled(work, unit)]
    missing = [unit for unit in units if not _is_journaled(work, unit)]

    with unfinished.explain_full_disk(), open_writer(unfinished, rank) as write:
        written = _write_units(unfinished, work, missing, archive, write)
        found, damaged = _verify_units(unfinished, work, journaled)
        written += _write_units(unfinished, work, damaged, archive, write)
    return Share(_count_rows(written), _count_rows(found), combine(written + found))


def _is_journaled(work: Work, unit: Unit) -> bool:
    entry = work.journaled.get(unit.name)
    return entry is not None and entry.rows == len(unit.rows)


def _write_units(
    unfinished: UnfinishedCube, work: Work, units: list[Unit], archive: Archive, write: WriteUnit
) -> list[RowMeasurements]:
    """Read units from the archive or from tiles, measure and write them; stops where another rank failed."""
    upsampling = work.request.upsampling
    networks = load_networks(upsampling, work.request.weights) if units else None
    written: list[RowMeasurements] = []
    # reading ahead hides the writes, which wait: for the disk, and for other ranks writing this file
    with (
        closing(read_ahead(read_units(units, archive), 1)) as native_units,
        open_whole_tiles(unfinished.tiles, networks, work.request.whole_tiles) as tiles,
    ):
        for unit, native in native_units:
            if tiles is None:
                arrays = make_datasets(native, upsampling, networks)
            else:
                arrays = make_datasets(native, "none") | {DATA_SUPER: tiles.cut(unit)}
            # checksums are taken of what goes to the disk: it is not read again
            measured = measure_rows(unit.rows, arrays, work.training)
            write(unit.name, measured, arrays)
            written.append(measured)
            if unfinished.has_failed():
                break
    return written


def _verify_units(
    unfinished: UnfinishedCube, work: Work, units: list[Unit]
) -> tuple[list[RowMeasurements], list[Unit]]:
    """Read journaled units back: measurements of those that are what the journal says, and the others."""
    upsampling = work.request.upsampling
    found: list[RowMeasurements] = []
    damaged: list[Unit] = []
    with closing(read_ahead((read_rows(unfinished.file, unit.rows, upsampling) for unit in units), 1)) as read:
        for unit, arrays in zip(units, read, strict=False):
            measured = measure_rows(unit.rows, arrays, work.training)
            if measured.checksum() == work.journaled[unit.name].checksum:
                found.append(measured)
            else:
                damaged.append(unit)
            if unfinished.has_failed():
                break
    return found, damaged


def _count_rows(parts: list[RowMeasurements]) -> int:
    return sum(len(part.rows) for part in parts)
