"""From an archive, or from tiles, to the cube: every MPI rank reads its share and writes it into one file.

MPI only tells the ranks how many they are, hands out the plan and collects checksums: the pixels go straight into the
file (`cube_writing`), so that one rank, two or seventy-two, resumed or not, give the same cube.
"""

import errno
import hashlib
import json
import os
import shutil
import time
import traceback
from contextlib import ExitStack, closing, suppress
from itertools import islice

import numpy as np
import pandas as pd
from osgeo import gdal

from bigearth import files
from bigearth.archive import windows
from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patch
from bigearth.background import read_ahead
from bigearth.cube import layout, statistics, writing
from bigearth.cube.creation import create
from bigearth.cube.layout import UPSAMPLINGS, partial
from bigearth.cube.selection import select
from bigearth.cube.tile_shares import longest_first, paper
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.labels import label_names
from bigearth.mpi import communicator
from bigearth.patch import BANDS_AT, PIXELS
from bigearth.upsampling.datasets import datasets, load_networks

SLAB = 256  # rows: 40 MB of native bands, large enough that writing them is one sequential write
_DISTRIBUTIONS = {"longest_first": longest_first, "paper": paper}
_LEAST_SLABS = 32  # of a small archive, so that it too is spread over ranks and shows progress


def write_cube(
    *,
    cube,
    archive,
    workdir,
    exclude=(),
    splits="",
    nomenclature=None,
    upsampling="none",
    seed=1,
    tiles="",
    weights="",
    distribution="longest_first",
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
        "none", or how ``data_super`` is made: "bilinear" or "dsen2". Patches are cut out first and upsampled then: they
        see nothing beyond their border, on either route.
    tiles : Path or str
        Folder of Sentinel-2 L2A products to cut the patches from; empty: read the archive's files.
    weights : Path or str
        Folder of DSen2's networks (see `dsen2.load`), for upsampling "dsen2".
    distribution : str
        Which rank cuts which tile: "longest_first", or "paper" (its Algorithm 1); see `distribution`.

    Returns
    -------
    dict
        rank, ranks, patches of this rank's share, seconds to write them and seconds to read them back for checksums
        and statistics; rows of the cube.

    Raises
    ------
    InputError
        A parameter or file cannot be used; the message names the rank where that matters.
    """
    comm = communicator()
    rank, size = (comm.Get_rank(), comm.Get_size()) if comm else (0, 1)
    gdal.SetConfigOption("GDAL_NUM_THREADS", "1")  # the ranks are the parallelism
    path = resolve(cube)
    folder = partial(path)
    with ExitStack() as stack:
        chosen = {"exclude": exclude, "splits": splits, "nomenclature": nomenclature, "seed": seed}
        arguments = stack, path, resolve(archive), resolve(workdir), upsampling, tiles, weights, distribution, chosen
        plan = _together(comm, folder, _prepare if rank == 0 else _nothing, *arguments)
        plan = comm.bcast(plan) if comm else plan
        started = time.perf_counter()
        n = _together(comm, folder, _write_share, folder, plan, rank, size)
        seconds = time.perf_counter() - started
        slabs = [(first, min(first + plan["slab"], plan["rows"])) for first in range(0, plan["rows"], plan["slab"])]
        share = [slabs[i] for i in np.array_split(np.arange(len(slabs)), size)[rank]]
        measured = _together(comm, folder, statistics.measure, folder / writing.FILE, share, plan["training"])
        read_back = time.perf_counter() - started - seconds
        measured = comm.gather(measured) if comm else [measured]
        finish = writing.finish if rank == 0 else _nothing
        _together(comm, folder, finish, path, slabs, measured, plan["training"])
    done = {"patches": n, "seconds": seconds, "read_back_seconds": read_back}
    return {"rank": rank, "ranks": size, **done, "rows": plan["rows"]}


def _prepare(stack, path, archive, workdir, upsampling, tiles, weights, distribution, chosen):
    """Plan the cube and create it, or find it begun; returns what every rank needs to know."""
    if upsampling not in UPSAMPLINGS:
        raise InputError(f"upsampling {upsampling!r} is unknown: give one of {', '.join(UPSAMPLINGS)}")
    if distribution not in _DISTRIBUTIONS:
        raise InputError(f"distribution {distribution!r} is unknown: give one of {', '.join(_DISTRIBUTIONS)}")
    networks = load_networks(upsampling, weights) or {}
    index = read_index(archive, workdir, pixels=not tiles)
    rows, record = select(index, **chosen)
    cuts = windows.find_windows(resolve(tiles), rows) if tiles else []
    folder = partial(path)
    stack.enter_context(files.locked(folder / "lock", f"cube {path}"))
    n = len(rows)
    identity = pd.util.hash_pandas_object(rows[["patch", "split", "folder"]], index=False).to_numpy()
    miniature = index.attrs["miniature"]
    attributes = {
        "seed": record["seed"],
        "source": f"{'miniature archive' if miniature else 'BigEarthNet'} v{record['archive_version']}.0",
        "miniature": miniature,
        "selection": json.dumps(record),
    }
    if networks:
        attributes["weights"] = json.dumps({metres: _fingerprint(network) for metres, network in networks.items()})
    if tiles:
        attributes["source"] = f"Sentinel-2 L2A products, patches of {attributes['source']}"
        attributes["radiometry"] = json.dumps(windows.describe_radiometry(cuts))
    plan = {
        "rows": n,
        "training": record["train"],
        "slab": max(1, min(SLAB, n // _LEAST_SLABS)),
        "archive": str(archive),
        "tiles": str(tiles and resolve(tiles)),
        "upsampling": upsampling,
        "key": index.attrs["key"],
        "digest": hashlib.sha256(identity.tobytes()).hexdigest(),
        "attributes": attributes,
    }
    described = json.dumps(plan)
    if writing.resumable(folder, described):
        written = (folder / writing.FILE).stat().st_blocks * 512
        _check_space(path, layout.bytes_needed(n, upsampling) - written)
    else:
        # nothing to resume: what lies here is of other parameters, or was killed before its plan was complete
        for file in folder.iterdir():
            if file.name != "lock":
                file.unlink()
        _check_space(path, layout.bytes_needed(n, upsampling))
        create(folder / writing.FILE, rows, label_names(record["nomenclature"]), upsampling, attributes)
        (folder / "plan.new").write_text(described)
        (folder / "plan.new").replace(folder / writing.PLAN)
    (folder / writing.FAILED).unlink(missing_ok=True)
    more = {"folders": rows.folder.tolist(), "cuts": cuts, "weights": str(weights), "distribution": distribution}
    return plan | more | {"finished": writing.finished(folder)}


def _write_share(folder, plan, rank, size):
    """Write this rank's units of work; how many patches that were."""
    n, networks = 0, load_networks(plan["upsampling"], plan["weights"])
    share = _share_of_tiles(plan, rank, size) if plan["cuts"] else _share_of_slabs(plan, rank, size)
    share = read_ahead(share, 1)  # hides the writes, which wait: for the disk, and for other ranks writing this file
    with writing.writer(folder, rank) as write, closing(share):
        for unit, rows, native in share:
            write(unit, rows, datasets(native, plan["upsampling"], networks))
            n += len(rows)
            if (folder / writing.FAILED).exists():
                break
    return n


def _share_of_slabs(plan, rank, size):
    """Units of work of a rank, from the archive: consecutive slabs of rows."""
    folders = [os.path.join(plan["archive"], folder) for folder in plan["folders"]]
    for first in np.array_split(np.arange(0, len(folders), plan["slab"]), size)[rank].tolist():
        unit = f"slab-{first}"
        if unit not in plan["finished"]:
            slab = folders[first : first + plan["slab"]]
            yield unit, np.arange(first, first + len(slab)), _read(slab)


def _share_of_tiles(plan, rank, size):
    """Units of work of a rank, from products: runs of patches of whole tiles, in raster order, scattered over rows."""
    deal = _DISTRIBUTIONS[plan["distribution"]]
    for i in deal([len(cut.rows) for cut in plan["cuts"]], size)[rank]:
        cut = plan["cuts"][i]
        units = [f"{cut.tile.name}-{first}" for first in range(0, len(cut.rows), plan["slab"])]
        done = next((k for k, unit in enumerate(units) if unit not in plan["finished"]), len(units))
        first = done * plan["slab"]
        patches = windows.read_windows(cut.skip(first))
        for unit in units[done:]:
            rows, cut_out = zip(*islice(patches, plan["slab"]), strict=True)
            yield unit, np.array(rows), {metres: np.stack([patch[metres] for patch in cut_out]) for metres in BANDS_AT}


def _read(folders):
    """Native bands of patches, resolution to array."""
    n = len(folders)
    slab = {m: np.empty((n, PIXELS[m], PIXELS[m], len(bands)), np.uint16) for m, bands in BANDS_AT.items()}
    for i, folder in enumerate(folders):
        read_patch(folder, {metres: array[i] for metres, array in slab.items()})
    return slab


def _together(comm, folder, function, *arguments):
    """Call a function on every rank; where it fails on one, raise on all: nobody is left waiting."""
    result, error, message = None, None, None
    try:
        result = function(*arguments)
    except Exception as raised:
        error, message = raised, str(raised)
        if isinstance(raised, OSError) and raised.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"{folder}: no space left, or the quota is used up{_kept(folder)}: free some, then run again"
            error = InputError(message)
        elif not isinstance(raised, InputError):
            message = traceback.format_exc()
        if function is _write_share:
            with suppress(OSError):  # on a full disk: then the others write on, or fail alike
                (folder / writing.FAILED).touch()  # the others stop after the slab they are at
    messages = comm.allgather((message, isinstance(error, InputError))) if comm else [(message, True)]
    if error and not isinstance(error, InputError):
        raise error
    for rank, (message, expected) in enumerate(messages):
        if message is not None:
            where = f"rank {rank}: " if comm and function not in (_prepare, _nothing) else ""
            raise (InputError if expected else RuntimeError)(f"{where}{message}")
    return result


def _kept(folder):
    try:
        done, rows = writing.progress(folder.with_suffix(""))
    except OSError:
        return ""
    return f"; {done:,} of {rows:,} rows are kept"


def _fingerprint(network):
    """SHA-256 of a network's weights: rows of two trainings must not meet in one cube."""
    return hashlib.sha256(b"".join(array.tobytes() for array in network.get_weights())).hexdigest()


def _nothing(*_):
    """What the other ranks do while rank 0 plans or finishes."""


def _check_space(path, needed):
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise InputError(
            f"cube {path} needs {needed / 1e9:.1f} GB, its disk has {free / 1e9:.1f} GB free: "
            f"free some, exclude patches, or choose another path"
        )
