"""Check what already lies at a cube's path: keep a finished cube of the same content, never replace anything else."""

import json
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd

from bigearth.archive.pixels import read_patches
from bigearth.archive.source import Archive
from bigearth.cube.layout import PLACE
from bigearth.cube.reading import Cube, open_cube
from bigearth.errors import InputError
from bigearth.labels import binarise, label_names
from bigearth.patch import DATASET_OF, SPLITS

# Rows whose pixels are compared with the archive before a finished cube is kept.
_ROWS_COMPARED = 16
# Attributes of the file that a request decides, and the words for a difference in them (None: both values).
_ATTRIBUTES = {
    "upsampling": None,
    "source": None,
    "seed": None,
    "miniature": None,
    "weights": "the networks of DSen2 are others",
    "super_resolved": "whole tiles were super-resolved for one of them, patches for the other",
    "radiometry": "the Sentinel-2 products, or their radiometric offsets, are others",
}


def check_target(path: Path) -> None:
    """Refuse a path that no cube can be written to, before any work.

    Parameters
    ----------
    path : Path
        Absolute path of the cube.

    Raises
    ------
    InputError
        A link, a folder, a pipe or device, a file that is no finished cube of this study, or a folder that cannot be
        written.
    """
    remedy = "nothing there is replaced, choose another path"
    if path.name in ("", ".."):
        raise InputError(f"cube {path} is a folder: give the path of an HDF5 file in it")
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        _check_parent(path)
        return
    except OSError as error:
        raise InputError(f"cube {path} cannot be written ({error.strerror}): choose another path") from None
    if stat.S_ISLNK(mode):
        raise InputError(f"cube {path} is a link: give the path that it leads to, or another one")
    if stat.S_ISDIR(mode):
        raise InputError(f"cube {path} is a folder: give the path of an HDF5 file in it, such as {path / 'cube.h5'}")
    if not stat.S_ISREG(mode):
        raise InputError(f"cube {path} is not a regular file: {remedy}")
    if open_cube(path).published:
        raise InputError(f"cube {path} is not a cube that this study wrote: {remedy}")


def check_same(path: Path, rows: pd.DataFrame, upsampling: str, attributes: dict, archive: Archive | None) -> None:
    """Compare a finished cube with what is asked for.

    Parameters
    ----------
    path : Path
        Of the finished cube.
    rows : pandas.DataFrame
        The rows that are asked for, as `selection.select` returns them.
    upsampling : str
    attributes : dict
        Those of the file that would be written.
    archive : Archive, optional
        Holds the patches' files: the pixels of some rows are compared with them.

    Raises
    ------
    InputError
        The cube differs; the message names every difference.
    """
    cube = open_cube(path)
    differences = _compare_attributes(cube, attributes | {"upsampling": upsampling})
    differences += _compare_records(cube, json.loads(attributes["selection"]))
    differences += _compare_rows(cube, rows)
    if not differences and archive is not None:
        differences = _compare_pixels(cube, rows, archive)
    if differences:
        raise InputError(
            f"cube {path} is finished and is not replaced, but differs from what is asked for: "
            f"{'; '.join(differences)}. Give the parameters that it was made with, or another path"
        )


def _check_parent(path: Path) -> None:
    """Refuse a path in a folder that cannot be created or written."""
    parent = path.parent
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir():
        raise InputError(f"cube {path} cannot be written ({parent} is not a folder): choose another path")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"cube {path} cannot be written ({parent} is not writable): choose another path")


def _compare_attributes(cube: Cube, wanted: dict) -> list[str]:
    differences = []
    for name, sentence in _ATTRIBUTES.items():
        found, asked = cube.attributes.get(name), wanted.get(name)
        if found != asked:
            differences.append(sentence or f"{name} is {found!r}, not {asked!r}")
    return differences


def _compare_records(cube: Cube, wanted: dict) -> list[str]:
    """Compare choices and counts of the selection."""
    try:
        found = json.loads(cube.attributes["selection"])
    except (KeyError, TypeError, ValueError):
        return ["it does not record how its patches were selected"]
    differences = []
    for name in sorted({*found, *wanted} - {"seed"}):
        if found.get(name) != wanted.get(name):
            differences.append(f"{name} is {found.get(name)!r}, not {wanted.get(name)!r}")
    return differences


def _compare_rows(cube: Cube, rows: pd.DataFrame) -> list[str]:
    """Compare names, labels and places row by row, where the numbers of rows and classes agree."""
    names = np.concatenate([cube.patches(split) for split in SPLITS])
    if len(names) != len(rows):
        return []  # the records differ in it
    differences = []
    others = int((names != rows.patch.to_numpy(str)).sum())
    if others:
        differences.append(f"{others:,} of {len(rows):,} rows hold other patches")
        return differences
    labels = label_names(cube.nomenclature)
    if rows.labels.explode().isin(labels).all():
        relabelled = int((binarise(rows.labels, labels) != cube.classes).any(1).sum())
        if relabelled:
            differences.append(f"{relabelled:,} patches have other labels")
    places = [cube.places(split) for split in SPLITS]
    if all(part is not None for part in places):
        there = pd.concat(places)
        moved = np.zeros(len(rows), bool)
        for key in PLACE:
            moved |= there[key].to_numpy() != rows[key].to_numpy()
        if moved.any():
            differences.append(f"{moved.sum():,} patches have other places or dates")
    return differences


def _compare_pixels(cube: Cube, rows: pd.DataFrame, archive: Archive) -> list[str]:
    """Compare native bands of some rows, evenly spread, with the archive's files."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, _ROWS_COMPARED).astype(int))
    patches = read_patches(archive, rows.folder.iloc[chosen].tolist())
    for row, patch in zip(chosen.tolist(), patches, strict=True):
        for metres, pixels in patch.items():
            if not np.array_equal(cube.array(DATASET_OF[metres])[row], pixels):
                return [f"patch {rows.patch[row]} has other pixels in {archive.path}"]
    return []
