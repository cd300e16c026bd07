"""BigEarthNet archives: the index of their patches, and the pixels of one patch.

Two layouts are known by their content. v1.0: one folder a patch with twelve GeoTIFFs and a JSON with labels and
place. v2.0: ``metadata.parquet`` beside ``BigEarthNet-S2/<tile>/<patch>/``. Lists of an archive stand in ``lists/``:
``patches_with_seasonal_snow.csv``, ``patches_with_cloud_and_shadow.csv`` and ``splits/{train,val,test}.csv``.
"""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd
from osgeo import gdal
from tqdm import tqdm

from bigearth import labels as nomenclature
from bigearth.archive.lists import FLAGS, SPLIT_FILES, read_splits
from bigearth.archive.metadata_v2 import read_metadata
from bigearth.errors import InputError
from bigearth.patch import BANDS, MINIATURE_MARKER

gdal.UseExceptions()

JSON = "_labels_metadata.json"  # after the name of a v1.0 patch
_PATCH = re.compile(r"S2[AB]_MSIL2A_.+_\d+_\d+")
_TILE = re.compile(r"_(T\d\d[A-Z]{3})(?:_|$)")
_READERS = 16  # threads: on a parallel file system opening a file is waiting, not work


def read_index(archive, workdir, pixels=True):
    """One row a patch, sorted by name; read once, then from ``<workdir>/patches.parquet``.

    Every patch folder is listed and every label looked up; pixels are checked when they are read. The cached index is
    read again when the archive's folder, its lists or its ``metadata.parquet`` changed.

    Parameters
    ----------
    archive : Path or str
        Folder of a v1.0 or v2.0 archive.
    workdir : Path or str
        Scratch folder, created where absent.
    pixels : bool
        Whether the patches' files must be there; not where their pixels are cut from tiles.

    Returns
    -------
    pandas.DataFrame
        patch, folder (relative to the archive), labels (list), split (or None), tile ("T33UUP"), tile_source
        (product name), country (None in v1.0), date, x, y (upper left corner, m), epsg, snow, cloud (NA where unknown).
        ``attrs``: archive, version (1 or 2), miniature, key; of v2.0 also absent (patches of ``metadata.parquet`` that
        are not there) and unlisted (patches that are not in it: it leaves out those under snow, cloud or shadow).

    Raises
    ------
    InputError
        Not an archive; a band file or JSON is missing; invalid JSON; an unknown label; two patches of one name.
    """
    archive, workdir = Path(archive).absolute(), Path(workdir)
    version = archive_version(archive)
    watched = [archive, archive / "metadata.parquet", archive / "lists", archive / "lists/splits"]
    watched += [archive / "BigEarthNet-S2", *(archive / "lists" / name for name in FLAGS.values())]
    watched += [archive / "lists/splits" / name for name in SPLIT_FILES.values()]
    key = [str(archive), pixels] + [path.stat().st_mtime_ns if path.exists() else 0 for path in watched]
    cache = workdir / "patches.parquet"
    if not cache.exists() or pd.read_parquet(cache, columns=["patch"]).attrs.get("key") != key:
        _write_index(archive, version, key, cache, pixels)
    index = pd.read_parquet(cache)
    return index.assign(labels=index.labels.map(list))


def archive_version(archive):
    """1 or 2, by what the folder holds; InputError where it is no archive."""
    archive = Path(archive)
    if not archive.is_dir():
        raise InputError(f"archive {archive} is not a folder: give the path of an extracted BigEarthNet archive")
    if (archive / "metadata.parquet").exists():
        return 2
    with os.scandir(archive) as entries:
        if any(_PATCH.fullmatch(entry.name) for entry in entries):
            return 1
    raise InputError(
        f"archive {archive} holds neither v1.0 patch folders (S2A_MSIL2A_...) nor v2.0's metadata.parquet: "
        f"give the folder that does"
    )


def _write_index(archive, version, key, cache, pixels):
    index = _index_v1(archive, pixels) if version == 1 else _index_v2(archive, pixels)
    _check_labels(index.labels, index.patch, nomenclature.label_names(43 if version == 1 else 19), archive)
    twice = index.patch[index.patch.duplicated()]
    if len(twice):
        raise InputError(f"{archive} holds {len(twice)} patch name(s) twice, the first is {twice.iloc[0]}: remove one")
    index = index.sort_values("patch", ignore_index=True)
    index.attrs |= {"archive": str(archive), "version": version, "key": key}
    index.attrs["miniature"] = (archive / MINIATURE_MARKER).exists()
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        new = cache.with_name(f".patches.{os.getpid()}.parquet")
        index.to_parquet(new)
        new.replace(cache)
    except OSError as error:
        raise InputError(f"workdir {cache.parent} cannot be written ({error.strerror}): give another folder") from None


def _index_v2(archive, pixels):
    index = read_metadata(archive / "metadata.parquet")
    if not pixels:
        return index
    root = archive / "BigEarthNet-S2"
    if not root.is_dir():
        raise InputError(f"{root} is missing: extract BigEarthNet-S2.tar.zst beside metadata.parquet")
    tiles = [entry.path for entry in os.scandir(root) if entry.is_dir()]
    with ThreadPoolExecutor(_READERS) as pool:
        present = {name for names in pool.map(os.listdir, tiles) for name in names}
    here = index.patch.isin(present)
    if not here.any():
        raise InputError(f"{root} holds none of the {len(index)} patches of metadata.parquet: extract the archive")
    attributes = {"absent": int((~here).sum()), "unlisted": len(present.difference(index.patch))}
    index = index[here].reset_index(drop=True)
    index.attrs = attributes
    _in_parallel(lambda folder: _check_bands(folder, os.listdir(folder)), [archive / path for path in index.folder])
    return index


def _index_v1(archive, pixels):
    names = sorted(entry.name for entry in os.scandir(archive) if _PATCH.fullmatch(entry.name) and entry.is_dir())
    records = _in_parallel(partial(_read_json, pixels=pixels), [archive / name for name in names])
    index = pd.DataFrame({"patch": names, "folder": names} | pd.DataFrame(records).to_dict("list"))
    index["date"] = pd.to_datetime(index.date.str[:10])
    splits = archive / "lists/splits"
    index["split"] = index.patch.map(read_splits(splits)).astype(object) if splits.is_dir() else None
    index["split"] = index.split.where(index.split.notna(), None)
    for flag, name in FLAGS.items():
        path = archive / "lists" / name
        # an archive may well have no patch under snow: its own list may be empty
        index[flag] = index.patch.isin(path.read_text().split()) if path.exists() else pd.NA
        index[flag] = index[flag].astype("boolean")
    order = "patch folder labels split tile tile_source country date x y epsg snow cloud"
    return index.assign(country=None)[order.split()]


def _read_json(folder, pixels):
    files = os.listdir(folder)
    if pixels:
        _check_bands(folder, files)
    path = folder / f"{folder.name}{JSON}"
    if path.name not in files:
        raise InputError(f"{path} is missing: restore it from the archive")
    try:
        data = json.loads(path.read_bytes())
        source = data["tile_source"]
        return {
            "labels": data["labels"],
            "tile": _TILE.search(source)[1],
            "tile_source": source,
            "date": data["acquisition_date"],
            "x": int(data["coordinates"]["ulx"]),
            "y": int(data["coordinates"]["uly"]),
            # the last authority of the WKT is the projection's own
            "epsg": int(re.findall(r'AUTHORITY\["EPSG","(\d+)"\]', data["projection"])[-1]),
        }
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}): restore it from the archive") from None
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} lacks what a v1.0 patch has ({error}): restore it from the archive") from None


def _check_bands(folder, files):
    missing = {f"{folder.name}_{band}.tif" for band in BANDS}.difference(files)
    if missing:
        raise InputError(f"{folder / min(missing)} is missing: restore it from the archive, or exclude the patch")


def _check_labels(labels, patches, known, source):
    for patch, names in zip(patches, labels, strict=True):
        unknown = [name for name in names if name not in known] if names else ["(none)"]
        if unknown:
            raise InputError(
                f"{source}: patch {patch} has label {unknown[0]!r}, not among the {len(known)}: correct it"
            )


def _in_parallel(function, folders):
    """Call ``function`` on every folder, many at a time; its results in order."""
    blocks = [folders[i : i + 64] for i in range(0, len(folders), 64)]
    bar = tqdm(total=len(folders), desc="reading the index", unit="patch", disable=len(folders) < 10_000)
    results = []
    with ThreadPoolExecutor(_READERS) as pool, bar:
        for block in pool.map(lambda block: [function(folder) for folder in block], blocks):
            results += block
            bar.update(len(block))
    return results
