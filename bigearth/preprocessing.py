"""From an archive, or from tiles, to the cube: every MPI rank reads its share and writes it into one file.

MPI only tells the ranks how many they are, hands out the plan and collects checksums: the pixels go straight into the
file (`cube_writing`), so that one rank, two or seventy-two, resumed or not, give the same cube.
"""

import hashlib
import json
import os
import shutil
import time
from contextlib import ExitStack

import numpy as np
import pandas as pd
from osgeo import gdal

from bigearth import cube_writing, distribution
from bigearth.archive import read_index, read_patch
from bigearth.cube import SUPER, UPSAMPLINGS, create, partial
from bigearth.errors import InputError
from bigearth.nomenclature import labels
from bigearth.paths import resolve
from bigearth.selection import select
from bigearth.sentinel2 import BANDS, GROUPS, KEY, SIZE

SLAB = 256  # rows: 40 MB of native bands, large enough that writing them is one sequential write
_LEAST_SLABS = 32  # of a small archive, so that it too is spread over ranks and shows progress


def write_cube(
    *, cube, archive, workdir, exclude=(), splits="", nomenclature=None, upsampling="none", seed=1, tiles=""
):
    """Write the cube (paper, section 3.1 and Figure 2); call it on every MPI rank, or without MPI.

    An interrupted run is resumed by calling it again with the same parameters. A cube that exists is replaced when the
    new one is complete.

    Parameters
    ----------
    cube : Path or str
        HDF5 file to write; see `cube`.
    archive : Path or str
        BigEarthNet v1.0 or v2.0: names, labels, places and, without ``tiles``, pixels.
    workdir : Path or str
        Holds the archive's cached index.
    exclude, splits, nomenclature, seed
        See `selection.select`.
    upsampling : str
        "none", or how ``data_super`` is made: "bilinear" or "dsen2".
    tiles : Path or str
        Folder of Sentinel-2 L2A products to cut the patches from; empty: read the archive's files.

    Returns
    -------
    dict
        rank, ranks, patches and seconds of this rank's share; rows of the cube.

    Raises
    ------
    InputError
        A parameter or file cannot be used; the message names the rank where that matters.
    """
    comm = _communicator()
    rank, size = (comm.Get_rank(), comm.Get_size()) if comm else (0, 1)
    gdal.SetConfigOption("GDAL_NUM_THREADS", "1")  # the ranks are the parallelism
    path = resolve(cube)
    folder = partial(path)
    with ExitStack() as stack:
        plan, error = None, None
        if rank == 0:
            try:
                chosen = {"exclude": exclude, "splits": splits, "nomenclature": nomenclature, "seed": seed}
                plan = _prepare(stack, path, resolve(archive), resolve(workdir), upsampling, tiles, chosen)
            except Exception as raised:  # the other ranks wait for the plan: they get the error instead
                error = raised
        plan, error = comm.bcast((plan, error)) if comm else (plan, error)
        if error:
            raise error
        rows = pd.read_parquet(folder / cube_writing.ROWS)
        started = time.perf_counter()
        n, error = 0, None
        try:
            n = _write_share(folder, plan, rows, rank, size)
        except Exception as raised:
            error = raised
            (folder / cube_writing.FAILED).touch()  # the others stop after the slab they are at
        _agree(comm, rank, error, folder, plan["rows"])
        seconds = time.perf_counter() - started
        slabs = [(first, min(first + plan["slab"], plan["rows"])) for first in range(0, plan["rows"], plan["slab"])]
        share = [slabs[i] for i in np.array_split(np.arange(len(slabs)), size)[rank]]
        measured = cube_writing.measure(folder / cube_writing.FILE, share, plan["training"])
        measured = comm.gather(measured) if comm else [measured]
        if rank == 0:
            cube_writing.finish(path, slabs, measured, plan["training"], plan["attributes"])
        if comm:
            comm.barrier()
    return {"rank": rank, "ranks": size, "patches": n, "seconds": seconds, "rows": plan["rows"]}


def _prepare(stack, path, archive, workdir, upsampling, tiles, chosen):
    """Plan the cube and create it, or find it begun; returns what every rank needs to know."""
    if upsampling not in UPSAMPLINGS:
        raise InputError(f"upsampling {upsampling!r} is unknown: give one of {', '.join(UPSAMPLINGS)}")
    index = read_index(archive, workdir)
    rows, record = select(index, **chosen)
    stack.enter_context(cube_writing.locked(partial(path)))
    folder = partial(path)
    n = len(rows)
    plan = {
        "rows": n,
        "training": record["train"],
        "slab": max(1, min(SLAB, n // _LEAST_SLABS)),
        "archive": str(archive),
        "tiles": str(tiles and resolve(tiles)),
        "upsampling": upsampling,
        "key": index.attrs["key"],
        "digest": hashlib.sha256(rows.drop(columns=["snow", "cloud"]).to_json().encode()).hexdigest(),
        "attributes": {
            "seed": record["seed"],
            "source": _source(record["archive_version"], index.attrs["miniature"], tiles),
            "miniature": index.attrs["miniature"],
            "selection": json.dumps(record),
        },
    }
    described = json.dumps(plan)
    begun = folder / cube_writing.PLAN
    if not begun.exists() or begun.read_text() != described:
        # nothing to resume: what lies here is of other parameters, or was killed before its plan was complete
        for file in folder.iterdir():
            if file.name != "lock":
                file.unlink()
        _check_space(path, cube_writing.bytes_needed(n, upsampling))
        create(folder / cube_writing.FILE, rows, labels(record["nomenclature"]), upsampling, plan["attributes"])
        rows.to_parquet(folder / cube_writing.ROWS)
        (folder / "plan.new").write_text(described)
        (folder / "plan.new").replace(begun)
    else:
        written = (folder / cube_writing.FILE).stat().st_blocks * 512
        _check_space(path, cube_writing.bytes_needed(n, upsampling) - written)
    (folder / cube_writing.FAILED).unlink(missing_ok=True)
    return plan | {"finished": cube_writing.finished(folder)}


def _source(version, miniature, tiles):
    archive = f"{'miniature archive' if miniature else 'BigEarthNet'} v{version}.0"
    return f"Sentinel-2 L2A products, patches of {archive}" if tiles else archive


def _write_share(folder, plan, rows, rank, size):
    """Write this rank's units of work; how many patches that were."""
    n = 0
    with cube_writing.writer(folder, rank) as write:
        for unit, pieces, count in _share(plan, rows, rank, size):
            if (folder / cube_writing.FAILED).exists():
                break
            if unit not in plan["finished"]:
                write(unit, pieces)
                n += count
    return n


def _share(plan, rows, rank, size):
    """Units of work of a rank: name, pieces (first row, arrays), patches. Slabs of rows, or whole tiles."""
    if plan["tiles"]:
        from bigearth import tiles

        groups = list(rows.groupby("tile_source"))
        mine = distribution.longest_first([len(group) for _, group in groups], size)[rank]
        for source, group in (groups[i] for i in mine):
            patches = tiles.read_tile_patches(plan["tiles"], group)
            yield source, ((row, _datasets({m: a[None] for m, a in p.items()}, plan)) for row, p in patches), len(group)
    else:
        folders = [os.path.join(plan["archive"], folder) for folder in rows.folder]
        firsts = np.array_split(np.arange(0, plan["rows"], plan["slab"]), size)[rank]
        for first in firsts.tolist():
            last = min(first + plan["slab"], plan["rows"])
            yield str(first), ((first, _datasets(_read(folders[first:last]), plan)) for _ in range(1)), last - first


def _read(folders):
    """Native bands of patches, resolution to array."""
    n = len(folders)
    slab = {m: np.empty((n, SIZE[m], SIZE[m], len(bands)), np.uint16) for m, bands in GROUPS.items()}
    for i, folder in enumerate(folders):
        read_patch(folder, {metres: array[i] for metres, array in slab.items()})
    return slab


def _datasets(native, plan):
    """What is written for native bands: dataset name to rows."""
    arrays = {KEY[metres]: array for metres, array in native.items()}
    if plan["upsampling"] == "none":
        return arrays
    from bigearth import superresolution

    if plan["upsampling"] == "bilinear":
        upsampled = {m: a if m == 10 else superresolution.bilinear(a, SIZE[10]) for m, a in native.items()}
    else:
        upsampled = superresolution.dsen2(native)
    joined = np.empty((*native[10].shape[:3], len(BANDS)), np.uint16)
    for metres, bands in GROUPS.items():
        joined[..., [BANDS.index(band) for band in bands]] = upsampled[metres]
    return arrays | {SUPER: joined}


def _agree(comm, rank, error, folder, total):
    """Raise on every rank where one failed; nobody is left waiting."""
    if isinstance(error, OSError):
        done = cube_writing.progress(folder.with_suffix(""))[0]
        error = InputError(
            f"{folder}: {error.strerror}; {done:,} of {total:,} rows are written and kept: free space, then run again"
        )
    errors = comm.allgather(error and f"rank {rank}: {error}") if comm else []
    if error:
        raise error
    if any(errors):
        raise InputError(next(filter(None, errors)))


def _check_space(path, needed):
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise InputError(
            f"cube {path} needs {needed / 1e9:.1f} GB, its disk has {free / 1e9:.1f} GB free: "
            f"free some, exclude patches, or choose another path"
        )


def _communicator():
    """MPI's, if this process was started by MPI; else None."""
    if not any(name in os.environ for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")):
        if "HOROVOD_RANK" in os.environ:
            raise InputError("launcher horovodrun starts workers without MPI: preprocessing needs mpi, srun or slurm")
        return None
    from mpi4py import MPI

    return MPI.COMM_WORLD
