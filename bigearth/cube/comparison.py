"""Rows of a cube compared with the archive that they were made from."""

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from bigearth.archive.metadata_v1 import SUFFIX
from bigearth.archive.metadata_v2 import read_metadata
from bigearth.archive.pixels import read_patches
from bigearth.archive.source import Archive
from bigearth.cube.layout import PLACE, checksum_rows
from bigearth.cube.reading import Cube
from bigearth.errors import InputError
from bigearth.labels import to_19
from bigearth.outside import parse_json
from bigearth.patch import DATASET_OF, MINIATURE_MARKER, SPLITS
from bigearth.upsampling.datasets import make_datasets

_ROWS_COMPARED = 200
_ROWS_AT_ONCE = 256


def compare_with_archive(cube: Cube, file: h5py.File, archive: Archive) -> list[str]:
    """Compare a random sample of rows with the archive's files: pixels, labels and places.

    A file without patch names is compared by content: patches of the archive are looked up among its pixels.

    Parameters
    ----------
    cube : Cube
    file : h5py.File
        The cube's file, open for reading.
    archive : Archive

    Returns
    -------
    list of str
        What was found the same.

    Raises
    ------
    InputError
        The archive is another one, or a row differs from it.
    """
    patches = _Archive(archive)
    if cube.published:
        return _compare_by_content(cube, file, patches)
    recorded = json.loads(cube.attributes["selection"])["archive_version"]
    if recorded != patches.version:
        raise InputError(f"archive {archive.path} is v{patches.version}.0, {cube.path} was made from v{recorded}.0")
    if cube.miniature != (archive.tables / MINIATURE_MARKER).exists():
        kind = "a generated archive" if cube.miniature else "no generated archive"
        raise InputError(f"cube {cube.path} says that it was made from {kind}, but {archive.path} is of the other kind")
    names = np.concatenate([cube.patches(split) for split in SPLITS])
    places = [cube.places(split) for split in SPLITS]
    all_places = pd.concat(places, ignore_index=True) if all(part is not None for part in places) else None
    classes = cube.classes
    sample = np.random.default_rng().choice(len(names), min(_ROWS_COMPARED, len(names)), replace=False)
    upsampling = "none" if cube.upsampling == "dsen2" else cube.upsampling
    from_tiles = "radiometry" in cube.attributes
    sample.sort()
    records = [patches.describe(name) for name in names[sample]]
    pixels = [] if from_tiles else read_patches(archive, [record["folder"] for record in records])
    for i, row in enumerate(sample.tolist()):
        name, record = names[row], records[i]
        where = f"cube {cube.path}: row {row}"
        if patches.name_labels(record, cube) != {cube.labels[i] for i in np.flatnonzero(classes[row])}:
            raise InputError(
                f"{where} has not the labels of {name} in {archive.path}: give the archive it was made from"
            )
        if all_places is not None:
            _compare_place(all_places.loc[row], record, f"{where}, {name} in {archive.path}")
        if not from_tiles:
            _compare_pixels(file, row, pixels[i], upsampling, f"{where}, {name} in {archive.path}")
    what = "labels and places (pixels are those of tiles)" if from_tiles else "pixels, labels and places"
    return [f"{len(sample)} random rows have the {what} of {archive.path.name}"]


def _compare_place(found: pd.Series, record: dict[str, Any], where: str) -> None:
    for key in PLACE:
        if found[key] != record[key]:
            raise InputError(f"{where}: {key} is {found[key]} and {record[key]}: give the archive it was made from")


def _compare_pixels(file: h5py.File, row: int, native: dict[int, np.ndarray], upsampling: str, where: str) -> None:
    """Compare a row's pixels with those of a patch, brought to 10 m as the cube's are."""
    batch = {metres: array[None] for metres, array in native.items()}
    for key, expected in make_datasets(batch, upsampling).items():
        if not np.array_equal(file[key][row], expected[0]):
            raise InputError(f"{where}: the pixels of {key} differ: give the archive it was made from")


class _Archive:
    """Patches of an archive by name."""

    def __init__(self, archive: Archive):
        self.archive = archive
        self.path = archive.path
        self.version = archive.version
        self.table = None
        self.names = {folder.rpartition("/")[2] for folder in archive.list_folders()}
        if self.version == 2:
            self.table = read_metadata(archive.tables / "metadata.parquet").set_index("patch")

    def list_names(self) -> list[str]:
        """The names of all patches that are there."""
        if self.table is not None:
            return [name for name in self.table.index if name in self.names]
        return sorted(self.names)

    def describe(self, name: str) -> dict[str, Any]:
        """Labels, place and folder of a patch."""
        if self.table is not None:
            if name not in self.table.index:
                raise InputError(f"archive {self.path} has no patch {name}: give the archive the cube was made from")
            return self.table.loc[name].to_dict()
        if name not in self.names:
            raise InputError(f"archive {self.path} has no patch {name}: give the archive the cube was made from")
        return {"folder": name, **_parse_description(self.archive.read_description(name), self.path / name)}

    def name_labels(self, record: dict[str, Any], cube: Cube) -> set[str]:
        """The labels of a patch in the cube's nomenclature."""
        if self.version == 1 and cube.nomenclature == 19:
            return set(to_19(record["labels"]))
        return set(record["labels"])


def _parse_description(content: bytes, folder: Path) -> dict[str, Any]:
    """Labels and place of a v1.0 patch, from its JSON."""
    path = folder / f"{folder.name}{SUFFIX}"
    data = parse_json(content, path, "description", "restore it from the archive")
    try:
        corner = data["coordinates"]
        # the last authority of the WKT is the projection's own
        epsg = re.findall(r'AUTHORITY\["EPSG","(\d+)"\]', data["projection"])[-1]
        date = pd.Timestamp(data["acquisition_date"][:10])
        return {"labels": data["labels"], "x": corner["ulx"], "y": corner["uly"], "epsg": int(epsg), "date": date}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path} lacks what a v1.0 patch has ({error}): restore it from the archive") from None


def _compare_by_content(cube: Cube, file: h5py.File, patches: _Archive) -> list[str]:
    """Look patches of the archive up among the pixels of a file without names, and compare bands and labels."""
    key = DATASET_OF[10]
    rows_of: dict[int, list[int]] = {}
    for first in range(0, len(file[key]), _ROWS_AT_ONCE):
        block = file[key][first : first + _ROWS_AT_ONCE].astype("<u2", copy=False)
        for i, checksum in enumerate(checksum_rows(block).tolist()):
            rows_of.setdefault(checksum, []).append(first + i)
    names = patches.list_names()
    sample = np.random.default_rng().choice(names, min(_ROWS_COMPARED, len(names)), replace=False)
    found = 0
    records = [patches.describe(name) for name in sample.tolist()]
    pixels = read_patches(patches.archive, [record["folder"] for record in records])
    for name, record, native in zip(sample.tolist(), records, pixels, strict=True):
        rows = rows_of.get(int(checksum_rows(native[10][None])[0]), [])
        same = [row for row in rows if all(np.array_equal(file[DATASET_OF[m]][row], native[m]) for m in native)]
        if not same:
            continue
        found += 1
        labels = patches.name_labels(record, cube)
        if not any(labels == {cube.labels[i] for i in np.flatnonzero(file["classes"][row])} for row in same):
            raise InputError(f"cube {cube.path}: row {same[0]} has the pixels of {name}, but not its labels")
    if not found:
        raise InputError(
            f"cube {cube.path} has no patch names, and holds none of {len(sample)} random patches of {patches.path}: "
            "give the archive it was made from"
        )
    return [f"{found} of {len(sample)} random patches of {patches.path.name} are in it, with all pixels and labels"]
