"""Lists of patch names, as published beside the archive: what to leave out, and which patch is in which split."""

from pathlib import Path

from bigearth.errors import InputError
from bigearth.files import resolve

FLAGS = {"snow": "patches_with_seasonal_snow.csv", "cloud": "patches_with_cloud_and_shadow.csv"}
SPLIT_FILES = {"train": "train.csv", "validation": "val.csv", "test": "test.csv"}


def read_names(path):
    """Patch names of a list: one a line, or the first column of a CSV.

    Raises
    ------
    InputError
        The file is missing or names nothing.
    """
    try:
        lines = Path(path).read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"list {path} cannot be read ({error}): give a CSV of patch names") from None
    names = [line.split(",", 1)[0].strip() for line in lines]
    names = [name for name in names if name]
    if not names:
        raise InputError(f"list {path} names no patch: remove it from the parameters, or restore it")
    return names


def read_splits(folder):
    """Split of every patch that ``train.csv``, ``val.csv`` and ``test.csv`` of a folder name.

    Returns
    -------
    dict
        Patch name to "train", "validation" or "test".
    """
    split = {}
    for name, file in SPLIT_FILES.items():
        for patch in read_names(Path(folder) / file):
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
    beside = Path(archive) / "lists" / path
    is_bare = Path(path).name == str(path)
    if is_bare and beside.exists():
        return beside
    found = resolve(path)
    if not found.exists():
        places = f"{found} nor {beside}" if is_bare else f"{found}"
        raise InputError(f"exclude: there is no file {places}; give a list's path, or [] to leave nothing out")
    return found
