"""From an archive, or from tiles, to the cube: every MPI rank reads its share and writes it into one file.

MPI tells the ranks how many they are, hands out the work and collects checksums. The pixels go straight into the file
(`writing`), so that one rank, two or seventy-two, resumed or not, give the same cube.

The way of a cube: `write_cube` checks its path (`keeping`), selects the rows (`selection`), creates the file in the
folder ``<cube>.partial/`` (`unfinished`, `creation`), lets every rank write its share (`share`), and gives the finished
file its name.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from osgeo import gdal

from bigearth.archive.geotiff import Place
from bigearth.archive.index import read_index
from bigearth.archive.source import open_archive
from bigearth.archive.windows import describe_radiometry, find_windows
from bigearth.cube.keeping import check_same, check_target
from bigearth.cube.layout import PLACE, WHOLE_TILES, count_bytes
from bigearth.cube.request import Request, make_request
from bigearth.cube.selection import select
from bigearth.cube.share import Share, Work, write_share
from bigearth.cube.statistics import RowMeasurements, combine
from bigearth.cube.unfinished import UnfinishedCube
from bigearth.cube.writing import write_attributes
from bigearth.errors import InputError
from bigearth.labels import label_names
from bigearth.mpi import communicator, on_first_rank, rank_and_size, together
from bigearth.upsampling.datasets import load_networks

SLAB_ROWS = 256  # 40 MB of native bands: writing them is one long sequential write
_FEWEST_SLABS = 32  # of a small archive, so that it too is spread over ranks and shows progress


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

    An interrupted run is resumed by calling it again with the same parameters: it writes what is missing, then verifies
    what was written before by checksums, and writes it again where it is damaged. A finished cube of the same content
    is kept; nothing is ever replaced.

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
            share = together(comm, write_share, unfinished, work, rank, ranks, on_failure=unfinished.mark_failed)
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
