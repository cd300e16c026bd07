"""Lists of patch names, as published beside the archive: what to leave out, and which patch is in which split."""

import csv
import re
import warnings
from collections.abc import Collection
from pathlib import Path

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.outside import read_text

FLAGS = {"snow": "patches_with_seasonal_snow.csv", "cloud": "patches_with_cloud_and_shadow.csv"}
UNTARGETED = "patches_with_no_19_class_targets.csv"
COUNTRIES = "countries_and_seasons.csv.gz"
SPLIT_FILES = {"train": "train.csv", "validation": "val.csv", "test": "test.csv"}
_PATCH = re.compile(r"S2[A-D]_MSIL2A_\S+_\d+_\d+")
_SEPARATORS = ",;\t "


def read_names(path: str | Path, may_be_empty: bool = False) -> list[str]:
    """Read the patch names of a list.

    One name a line, or a column of a table (the first that holds patch names, else the first), or all names on one
    line. Fields are separated by commas, semicolons, tabs or spaces and may stand in quotes; a header is left out;
    ``*.gz`` is unpacked.

    Parameters
    ----------
    path : str or Path
    may_be_empty : bool
        Whether a list without a name is right.

    Raises
    ------
    InputError
        The file cannot be read, see `outside.read_text`, or names nothing.
    """
    lines = [line.strip() for line in read_text(path, "list").splitlines()]
    try:
        rows = [_split_line(line) for line in lines if line]
    except csv.Error as error:
        raise InputError(f"list {path} is not a table ({error}): correct its quotes, or restore it") from None
    if len(rows) == 1:
        names = rows[0] if all(map(_PATCH.fullmatch, rows[0])) else rows[0][:1]
    else:
        column = _find_column(rows)
        names = [row[column] for row in rows if len(row) > column]
        if len(names) > 1 and not _PATCH.fullmatch(names[0]) and _PATCH.fullmatch(names[1]):
            del names[0]  # a header
    names = [name for name in names if name]
    if not names and not may_be_empty:
        raise InputError(f"list {path} names no patch: leave it out of the parameters, or restore it")
    return names


def read_splits(folder: str | Path) -> dict[str, str]:
    """Read the split of every patch that ``train.csv``, ``val.csv`` and ``test.csv`` of a folder name.

    Returns
    -------
    dict
        Patch name to "train", "validation" or "test".

    Raises
    ------
    InputError
        A list cannot be read or is empty, or a patch is in two splits.
    """
    split: dict[str, str] = {}
    for name, file in SPLIT_FILES.items():
        for patch in read_names(find_packed(Path(folder) / file)):
            if split.setdefault(patch, name) != name:
                raise InputError(f"{folder}: {patch} is in {name} and in {split[patch]}: a patch has one split")
    return split


def find_list(path: str | Path, archive: str | Path) -> Path:
    """Find a list of patches to leave out: a bare file name is looked for in the archive's ``lists/`` first.

    Raises
    ------
    InputError
        The file is at neither place.
    """
    beside = find_packed(Path(archive) / "lists" / path)
    is_bare = Path(path).name == str(path)
    if is_bare and beside.exists():
        return beside
    found = find_packed(resolve(path))
    if not found.exists():
        places = f"{found} nor {beside}" if is_bare else f"{found}"
        raise InputError(f"exclude: there is no file {places}; give a list's path, or [] to leave nothing out")
    return found


def find_packed(path: Path) -> Path:
    """Find a list as it was published: a path, or the same with ``.gz``."""
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.exists() and not path.exists() else path


def warn_of_unknown(path: str | Path, named: int, unknown: int, stacklevel: int = 2) -> None:
    """Warn that some names of a list are not in the archive.

    Parameters
    ----------
    path : str or Path
        The list.
    named, unknown : int
        How many names it has, and how many of them are unknown.
    stacklevel : int
        As in `warnings.warn`, counted from the caller.
    """
    if unknown:
        message = f"{path}: {unknown:,} of its {named:,} names are not in the archive"
        warnings.warn(message, stacklevel=stacklevel + 1)


def count_unknown(names: Collection[str], known: Collection[str]) -> int:
    """Count the names of a list that are not in the archive."""
    return len(set(names).difference(known))


def _split_line(line: str) -> list[str]:
    """Fields of a line, without quotes and blanks."""
    separator = next((one for one in _SEPARATORS if one in line), ",")
    fields = next(csv.reader([line], delimiter=separator)) if '"' in line else line.split(separator)
    fields = [field.strip(" \t'\"") for field in fields]
    return fields if separator != " " else [field for field in fields if field]


def _find_column(rows: list[list[str]]) -> int:
    """Number of the first column that holds a patch name in one of the first two rows, else 0."""
    for row in rows[:2]:
        for column, field in enumerate(row):
            if _PATCH.fullmatch(field):
                return column
    return 0
