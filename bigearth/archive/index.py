"""The index of an archive: its patches with their labels, places and splits.

Two layouts are known by their content. v1.0: one folder per patch with twelve GeoTIFFs and a JSON with labels and
place. v2.0: ``metadata.parquet`` beside ``BigEarthNet-S2/<tile>/<patch>/``. Lists of an archive stand in ``lists/``:
``patches_with_seasonal_snow.csv``, ``patches_with_cloud_and_shadow.csv``, ``splits/{train,val,test}.csv`` and, of v1.0,
``countries_and_seasons.csv.gz``. Lists and ``metadata.parquet`` of an archive that is a file stand in it or beside it.
"""

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bigearth.archive import index_cache
from bigearth.archive.folders import REMEDY
from bigearth.archive.lists import (
    COUNTRIES,
    FLAGS,
    SPLIT_FILES,
    count_unknown,
    find_list,
    find_packed,
    read_names,
    read_splits,
    warn_of_unknown,
)
from bigearth.archive.metadata_v1 import SUFFIX as JSON
from bigearth.archive.metadata_v1 import parse_patch_metadata
from bigearth.archive.metadata_v2 import FOLDER, read_metadata
from bigearth.archive.source import Archive, open_archive
from bigearth.errors import InputError
from bigearth.labels import label_names
from bigearth.patch import MINIATURE_MARKER
from bigearth.progress import Progress
from bigearth.tables import read_csv

_COLUMNS = "patch folder labels split tile tile_source country date x y epsg snow cloud".split()
_FOLDERS_AT_ONCE = 64


def read_index(
    path: str | Path, workdir: str | Path, pixels: bool = True, exclude: Iterable[str | Path] = ()
) -> pd.DataFrame:
    """Read the index of an archive: one row per patch, sorted by name; then keep it in ``<workdir>/patches.parquet``.

    Every patch folder is listed and every label looked up; pixels are checked when they are read. The archive is read
    again when its folder, its lists or its ``metadata.parquet`` changed.

    Parameters
    ----------
    path : Path or str
        A v1.0 or v2.0 archive: its folder, or its ``.tar``, ``.tar.gz`` or ``.tar.zst``.
    workdir : Path or str
        Scratch folder, created where absent.
    pixels : bool
        Whether the patches' files must be there; not where their pixels are cut from tiles.
    exclude : list of str
        CSV files of patch names that will be left out: a damaged patch among them is no error.

    Returns
    -------
    pandas.DataFrame
        patch, folder (relative to the archive), labels (list), split (or None), tile ("T33UUP"), tile_source
        (product name), country (None where no list of v1.0 names it), date, x, y (upper left corner, m), epsg, snow,
        cloud (NA where unknown).
        A damaged patch has no row. ``attrs``: archive, tables (folder of its lists), version (1 or 2), miniature, key,
        verified (by what the contents of a file were; None: a folder); damaged (patch name to what is wrong);
        unknown_names (for each own list with names that are not in the archive: named, unknown); of v2.0 also
        absent (patches of ``metadata.parquet`` that are not there) and unlisted (patches that are not in it: it leaves
        out those under snow, cloud or shadow).

    Raises
    ------
    InputError
        Not an archive; a patch that is not excluded is damaged (a file is missing, invalid JSON, an unknown label);
        two patches of one name.
    """
    archive = open_archive(path, workdir)
    cache = Path(workdir) / "patches.parquet"
    key = [index_cache.FORMAT, str(archive.path), pixels, *_describe_sources(archive)]
    index = index_cache.load(cache, key)
    if index is not None and _first_problem(index, exclude, archive):
        index = None  # perhaps the patch was restored since
    if index is None:
        index = _read_archive(archive, pixels)
        index.attrs |= {"archive": str(archive.path), "tables": str(archive.tables), "version": archive.version}
        index.attrs |= {"key": key, "verified": archive.verified}
        index.attrs["miniature"] = (archive.tables / MINIATURE_MARKER).exists()
        problem = _first_problem(index, exclude, archive)
        if problem:
            raise InputError(problem)
        if index.empty:
            raise InputError(f"archive {archive.path} has no patch that is not damaged: restore it from its source")
        index = index_cache.save(index, cache)
    for name, counts in index.attrs["unknown_names"].items():
        warn_of_unknown(name, *counts)
    if archive.verified == "":
        warnings.warn(
            f"{archive.path}: nothing verifies its contents, neither a checksum in it nor a published one", stacklevel=2
        )
    return index


def _describe_sources(archive: Archive) -> list[list[int]]:
    """Time and size of what an index depends on, apart from the patches' own folders."""
    tables = archive.tables
    lists = [tables / "lists" / name for name in FLAGS.values()]
    lists += [tables / "lists/splits" / name for name in SPLIT_FILES.values()]
    paths = [archive.path, tables / "metadata.parquet", tables / "lists", tables / "lists/splits"]
    paths += [tables / FOLDER, tables / "lists" / COUNTRIES, *map(find_packed, lists)]
    described = []
    for path in paths:
        state = path.stat() if path.exists() else None
        described.append([state.st_mtime_ns, state.st_size] if state else [0, 0])
    return described


def _first_problem(index: pd.DataFrame, exclude: Iterable[str | Path], archive: Archive) -> str | None:
    """Describe the first damaged patch that is not excluded."""
    damaged = index.attrs["damaged"]
    if not damaged:
        return None
    excluded: set[str] = set()
    for path in exclude:
        excluded |= set(read_names(find_list(path, archive.tables)))
    problems = [problem for patch, problem in damaged.items() if patch not in excluded]
    if not problems:
        return None
    more = f" ({len(problems) - 1:,} more patches are damaged)" if len(problems) > 1 else ""
    return problems[0] + more


def _read_archive(archive: Archive, pixels: bool) -> pd.DataFrame:
    index = _read_v1(archive, pixels) if archive.version == 1 else _read_v2(archive, pixels)
    twice = index.patch[index.patch.duplicated()]
    if len(twice):
        raise InputError(
            f"{archive.path} holds {len(twice)} patch name(s) twice, the first is {twice.iloc[0]}: restore "
            f"metadata.parquet"
        )
    attributes = index.attrs
    index = index.sort_values("patch", ignore_index=True)
    index.attrs = attributes
    return index


def _read_v1(archive: Archive, pixels: bool) -> pd.DataFrame:
    names = archive.list_folders()
    records = _call_in_parallel(partial(_describe_v1_patch, archive, pixels=pixels), names, archive.threads)
    rows, damaged = [], {}
    for name, record in zip(names, records, strict=True):
        if isinstance(record, str):
            damaged[name] = record
        else:
            rows.append({"patch": name, "folder": name} | record)
    columns = ["patch", "folder", "labels", "tile", "tile_source", "date", "x", "y", "epsg"]
    index = pd.DataFrame(rows, columns=columns)
    index["date"] = pd.to_datetime(index.date)
    unknown = _add_lists(index, archive.tables / "lists", set(names))
    index["country"] = _find_countries(index.patch, archive.tables / "lists" / COUNTRIES)
    index = index[_COLUMNS]
    index.attrs = {"damaged": damaged, "unknown_names": unknown}
    return index


def _add_lists(index: pd.DataFrame, lists: Path, known: set[str]) -> dict[str, list[int]]:
    """Add split, snow and cloud from an archive's own lists; returns which of them name unknown patches."""
    named: dict[Path, list[str]] = {}
    index["split"] = None
    if (lists / "splits").is_dir():
        split = read_splits(lists / "splits")
        named[lists / "splits"] = list(split)
        index["split"] = pd.Series(map(split.get, index.patch), index.index, dtype=object)
    for flag, name in FLAGS.items():
        path = find_packed(lists / name)
        index[flag] = pd.Series(pd.NA, index.index, dtype="boolean")
        if path.exists():
            # an archive may well have no patch under snow: its own list may be empty
            named[path] = read_names(path, may_be_empty=True)
            index[flag] = index.patch.isin(named[path]).astype("boolean")
    unknown = {}
    for path, names in named.items():
        count = count_unknown(names, known)
        if count:
            unknown[str(path)] = [len(set(names)), count]
    return unknown


def _find_countries(patches: pd.Series, path: Path) -> pd.Series:
    """Country of every patch of v1.0; None where the list does not name it, or is absent."""
    if not path.exists():
        return pd.Series(None, patches.index, dtype=object)
    table = read_csv(path, {"patch": str, "country": str}, "list")
    countries = patches.map(dict(zip(table.patch, table.country, strict=True))).astype(object)
    return countries.where(countries.notna(), None)


def _describe_v1_patch(archive: Archive, folder: str, pixels: bool) -> dict[str, Any] | str:
    """Read a v1.0 patch's JSON; return its content, or the patch's first problem."""
    try:
        problem = archive.find_problem(folder) if pixels else None
        if problem:
            return problem
        record = parse_patch_metadata(archive.read_description(folder), archive.path / folder)
    except InputError as error:
        return str(error) if REMEDY in str(error) else f"{error}, or exclude the patch"
    return _check_labels(record["labels"], label_names(43), archive.path / folder / f"{folder}{JSON}") or record


def _read_v2(archive: Archive, pixels: bool) -> pd.DataFrame:
    path = archive.tables / "metadata.parquet"
    index = read_metadata(path)
    damaged = {}
    for patch, labels in zip(index.patch, index.labels, strict=True):
        problem = _check_labels(labels, label_names(19), f"{path}: patch {patch}")
        if problem:
            damaged[patch] = problem
    attributes: dict[str, Any] = {"unknown_names": {}}
    if pixels:
        index, found = _find_v2_folders(archive, index)
        attributes |= found
        problems = _call_in_parallel(archive.find_problem, index.folder.tolist(), archive.threads)
        damaged |= {patch: problem for patch, problem in zip(index.patch, problems, strict=True) if problem}
    here = set(index.patch)
    attributes["damaged"] = {patch: damaged[patch] for patch in sorted(damaged) if patch in here}
    index = index[~index.patch.isin(damaged)].reset_index(drop=True)
    index.attrs = attributes
    return index


def _find_v2_folders(archive: Archive, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Rows of the patches that are there, and how many are absent or unlisted."""
    present = {folder.rpartition("/")[2] for folder in archive.list_folders()}
    here = index.patch.isin(present)
    if not here.any():
        raise InputError(
            f"{archive.path} holds none of the {len(index)} patches of metadata.parquet: give the "
            f"archive that it belongs to"
        )
    counts = {"absent": int((~here).sum()), "unlisted": len(present.difference(index.patch))}
    return index[here].reset_index(drop=True), counts


def _check_labels(labels: list[str], known: tuple[str, ...], where: str | Path) -> str | None:
    """Find the first problem of a patch's labels."""
    for label in labels or ["(none)"]:
        if label not in known:
            return f"{where} has label {label!r:.80}, not among the {len(known)}: {REMEDY}"
    if len(set(labels)) < len(labels):
        return f"{where} has a label twice: {REMEDY}"
    return None


def _call_in_parallel(function: Callable[[str], Any], folders: list[str], threads: int) -> list:
    """Call a function on every folder, many at a time; its results in order."""

    def call_on_block(block: list[str]) -> list:
        return [function(folder) for folder in block]

    blocks = [folders[first : first + _FOLDERS_AT_ONCE] for first in range(0, len(folders), _FOLDERS_AT_ONCE)]
    bar = Progress("reading the index", len(folders), "patch")
    results = []
    with ThreadPoolExecutor(threads) as pool, bar:
        for block in pool.map(call_on_block, blocks):
            results += block
            bar.update(len(block))
    return results
