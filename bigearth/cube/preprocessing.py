"""From an archive, or from tiles, to the cube: every MPI rank reads its share and writes it into one file.

MPI tells the ranks how many they are, hands out the work and collects checksums. The pixels go straight into the file
(`writing`), so that one rank, two or seventy-two, resumed or not, give the same cube.

The way of a cube: `write_cube` checks its path (`keeping`), selects the rows (`selection`), creates the file in the
folder ``<cube>.partial/`` (`unfinished`, `creation`), shares out units of work (`units`), writes and measures them
(`writing`, `statistics`), and gives the finished file its name.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from osgeo import gdal

from bigearth.archive.geotiff import Place
from bigearth.archive.index import read_index
from bigearth.archive.source import open_archive
from bigearth.archive.windows import TileWindows, describe_radiometry, find_windows
from bigearth.background import read_ahead
from bigearth.cube.keeping import check_same, check_target
from bigearth.cube.layout import PLACE, WHOLE_TILES, count_bytes
from bigearth.cube.request import Request, make_request
from bigearth.cube.selection import select
from bigearth.cube.statistics import RowMeasurements, combine, measure_rows
from bigearth.cube.unfinished import JournalEntry, UnfinishedCube
from bigearth.cube.units import Unit, read_units, share_slabs, share_tiles
from bigearth.cube.whole_tiles import open_whole_tiles
from bigearth.cube.writing import open_writer, read_rows, write_attributes
from bigearth.errors import InputError
from bigearth.labels import label_names
from bigearth.mpi import communicator, on_first_rank, rank_and_size, together
from bigearth.patch import DATA_SUPER
from bigearth.upsampling.datasets import load_networks, make_datasets

SLAB_ROWS = 256  # 40 MB of native bands: writing them is one long sequential write
_FEWEST_SLABS = 32  # of a small archive, so that it too is spread over ranks and shows progress


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


def write_cube(
    *,
    cube: str | Path,
    archive: str | Path,
    workdir: str | Path,
    exclude: Sequence[str] = (),
    splits: str | Path = "",
    nomenclature: int | None = None,
    upsampling: str = "none",
    seed: int = 1,
    tiles: str | Path = "",
    weights: str | Path = "",
    distribution: str = "longest_first",
    whole_tiles: bool = False,
) -> dict:
    """Write the cube (paper, section 3.3 and Figure 2); call it on every MPI rank, or without MPI.

    An interrupted run is resumed by calling it again with the same parameters; what it wrote is verified by checksums,
    and written again where it is damaged. A finished cube of the same content is kept; nothing is ever replaced.

    Parameters
    ----------
    cube : str or Path
        HDF5 file to write; see `layout`.
    archive : str or Path
        BigEarthNet v1.0 or v2.0, folder or file: names, labels, places and, without ``tiles``, pixels.
    workdir : str or Path
        Holds the archive's cached index.
    exclude, splits, nomenclature, seed
        See `selection.select`.
    upsampling : str
        "none", or how ``data_super`` is made: "bilinear" or "dsen2".
    tiles : str or Path
        Folder of Sentinel-2 L2A products to cut the patches from; empty: read the archive's files.
    weights : str or Path
        Folder of DSen2's networks (see `upsampling.weights`), for upsampling "dsen2".
    distribution : str
        Which rank cuts which tile: "longest_first", or "paper" (its Algorithm 1); see `tile_shares`.
    whole_tiles : bool
        For "dsen2" and tiles: whether a tile is brought to 10 m as a whole before patches are cut from it, as in the
        paper. Else patches are cut out first: then they see nothing beyond their border.

    Returns
    -------
    dict
        rank, ranks, patches (that this rank wrote), found (rows of an interrupted run, verified by this rank), seconds
        (until all ranks had written theirs), rows (of the cube), kept (whether the cube was finished before).

    Raises
    ------
    InputError
        A parameter or file cannot be used; something else lies at the cube's path, or a finished cube of other content.
        The message names the rank where that matters.
    """
    comm = communicator()
    rank, ranks = rank_and_size(comm)
    gdal.SetConfigOption("GDAL_NUM_THREADS", "1")  # the ranks are the parallelism
    request = make_request(
        cube=cube,
        archive=archive,
        workdir=workdir,
        exclude=exclude,
        splits=splits,
        nomenclature=nomenclature,
        upsampling=upsampling,
        seed=seed,
        tiles=tiles,
        weights=weights,
        distribution=distribution,
        whole_tiles=whole_tiles,
    )
    with ExitStack() as locks:  # rank 0 holds the cube's lock until all ranks are done
        work = on_first_rank(comm, _prepare, request, locks)
        seconds = 0.0
        if work.kept:
            share = Share(0, 0, combine([]))
        else:
            unfinished = UnfinishedCube(request.cube)
            started = time.perf_counter()
            share = together(comm, _write_share, unfinished, work, rank, ranks, on_failure=unfinished.mark_failed)
            seconds = time.perf_counter() - started
            parts = comm.gather(share.measured) if comm else [share.measured]
            on_first_rank(comm, _finish, unfinished, work, parts)
    counts = {"patches": share.written, "found": share.found, "seconds": seconds}
    return {"rank": rank, "ranks": ranks, **counts, "rows": work.rows, "kept": work.kept}


def _prepare(request: Request, locks: ExitStack) -> Work:
    """Check what is asked for, select the rows, and begin the cube or find it begun or finished."""
    unfinished = UnfinishedCube(request.cube)
    check_target(request.cube)
    unfinished.check_folder()

    # which rows, and where their pixels are
    networks = load_networks(request.upsampling, request.weights)
    index = read_index(request.archive, request.workdir, request.tiles is None, request.exclude)
    rows, record = select(index, request.exclude, request.splits, request.nomenclature, request.seed)
    tiles = []
    if request.tiles is not None:
        tiles = find_windows(request.tiles, rows)
    attributes = _describe_source(request, index, record, tiles, networks)

    work = {"request": request, "rows": len(rows), "training": record["train"]}
    work |= {
        "slab_rows": max(1, min(SLAB_ROWS, len(rows) // _FEWEST_SLABS)),
        "tiles": tiles,
        "folders": [],
        "places": [],
    }
    if request.tiles is None:
        work["folders"] = rows.folder.tolist()
        if record["archive_version"] == 1:
            work["places"] = [Place(*place) for place in zip(rows.x, rows.y, rows.epsg, strict=True)]

    if request.cube.exists():
        archive = None if request.tiles else open_archive(request.archive, request.workdir)
        check_same(request.cube, rows, request.upsampling, attributes, archive)
        return Work(**work, kept=True, journaled={})

    locks.enter_context(unfinished.locked())
    plan = _describe_plan(request, rows, index.attrs["key"], attributes, work)
    with unfinished.explain_full_disk():
        needed = count_bytes(len(rows), request.upsampling)
        if unfinished.can_resume(plan):
            written = unfinished.file.stat().st_blocks * 512
            _check_space(request.cube, needed - written)
        else:
            _check_space(request.cube, needed)
            unfinished.begin(plan, rows, label_names(record["nomenclature"]), request.upsampling, attributes)
        unfinished.forget_failure()
        return Work(**work, kept=False, journaled=unfinished.read_journals())


def _describe_source(request: Request, index: pd.DataFrame, record: dict, tiles: list, networks: dict | None) -> dict:
    """The attributes of the file that say what it was made from."""
    miniature = index.attrs["miniature"]
    source = f"{'miniature archive' if miniature else 'BigEarthNet'} v{record['archive_version']}.0"
    if request.tiles is not None:
        source = f"Sentinel-2 L2A products, patches of {source}"
    attributes = {
        "seed": record["seed"],
        "source": source,
        "miniature": miniature,
        "selection": json.dumps(record),
    }
    if networks is not None:
        digests = {metres: _hash_weights(network) for metres, network in networks.items()}
        attributes["weights"] = json.dumps(digests)
    if request.tiles is not None:
        attributes["radiometry"] = json.dumps(describe_radiometry(tiles))
    if request.whole_tiles:
        attributes["super_resolved"] = WHOLE_TILES
    return attributes


def _describe_plan(request: Request, rows: pd.DataFrame, key: list, attributes: dict, work: dict) -> str:
    """All that decides the cube's bytes, as JSON: a begun cube is resumed by the same plan only."""
    content = rows[["patch", "split", "folder", *PLACE]].assign(labels=rows.labels.map(";".join))
    digest = hashlib.sha256(pd.util.hash_pandas_object(content, index=False).to_numpy().tobytes()).hexdigest()
    plan = {
        "rows": work["rows"],
        "training": work["training"],
        "slab_rows": work["slab_rows"],
        "archive": str(request.archive),
        "tiles": str(request.tiles or ""),
        "upsampling": request.upsampling,
        "archive_key": key,
        "digest": digest,
        "attributes": attributes,
    }
    return json.dumps(plan)


def _check_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise InputError(
            f"cube {path} needs {needed / 1e9:.1f} GB, its disk has {free / 1e9:.1f} GB free: "
            f"free some, exclude patches, or choose another path"
        )


def _hash_weights(network: Any) -> str:
    """SHA-256 of a network's weights: rows of two trainings must not meet in one cube."""
    return hashlib.sha256(b"".join(array.tobytes() for array in network.get_weights())).hexdigest()


def _write_share(unfinished: UnfinishedCube, work: Work, rank: int, ranks: int) -> Share:
    """Verify this rank's journaled units of work, and write the others."""
    upsampling = work.request.upsampling
    networks = load_networks(upsampling, work.request.weights)
    archive = open_archive(work.request.archive, work.request.workdir)
    if work.tiles:
        units = share_tiles(work.tiles, work.slab_rows, work.request.distribution, rank, ranks)
    else:
        order = archive.order(work.folders)
        units = share_slabs(work.folders, work.places, work.slab_rows, rank, ranks, order)

    measured = []
    missing = []
    for unit in units:
        found = _verify(unfinished, work, unit)
        if found is None:
            missing.append(unit)
        else:
            measured.append(found)
    found_rows = sum(len(part.rows) for part in measured)

    written_rows = 0
    # reading ahead hides the writes, which wait: for the disk, and for other ranks writing this file
    native_units = read_ahead(read_units(missing, archive), 1)
    with (
        unfinished.explain_full_disk(),
        open_writer(unfinished, rank) as write,
        closing(native_units),
        open_whole_tiles(unfinished.tiles, networks, work.request.whole_tiles) as tiles,
    ):
        for unit, native in native_units:
            if tiles is None:
                arrays = make_datasets(native, upsampling, networks)
            else:
                arrays = make_datasets(native, "none") | {DATA_SUPER: tiles.cut(unit)}
            part = measure_rows(unit.rows, arrays, work.training)
            write(unit.name, part, arrays)
            measured.append(part)
            written_rows += len(unit.rows)
            if unfinished.has_failed():
                break
    return Share(written_rows, found_rows, combine(measured))


def _verify(unfinished: UnfinishedCube, work: Work, unit: Unit) -> RowMeasurements | None:
    """Read a journaled unit back and measure it; None where it is not journaled, or not what the journal says."""
    entry = work.journaled.get(unit.name)
    if entry is None or entry.rows != len(unit.rows):
        return None
    arrays = read_rows(unfinished.file, unit.rows, work.request.upsampling)
    measured = measure_rows(unit.rows, arrays, work.training)
    return measured if measured.checksum() == entry.checksum else None


def _finish(unfinished: UnfinishedCube, work: Work, parts: list[RowMeasurements]) -> None:
    """Put statistics and checksums into the written file, and give it its name."""
    measured = combine(parts)
    if not np.array_equal(measured.rows, np.arange(work.rows)):
        raise RuntimeError(f"{len(measured.rows)} of {work.rows} rows of {unfinished.file} were written")
    unfinished.check_target()
    with unfinished.explain_full_disk():
        unfinished.wait_for_disk()
        write_attributes(unfinished.file, measured, work.training)
        unfinished.publish()
