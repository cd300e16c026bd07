"""Keep the index of an archive as Parquet beside its checksum, and load it only if both agree."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import pandas as pd

from bigearth.errors import InputError
from bigearth.files import write_whole
from bigearth.outside import read_bytes
from bigearth.tables import PARQUET_LIMIT

FORMAT = 3  # changes with what an index holds


def load(path: Path, key: list[Any]) -> pd.DataFrame | None:
    """Load an index that `save` wrote.

    Parameters
    ----------
    path : Path
    key : list
        What the index must have been made of: its ``attrs["key"]``.

    Returns
    -------
    DataFrame or None
        None where there is none, where it is damaged, or where it was made of something else.

    Raises
    ------
    InputError
        What lies there was not written by the study.
    """
    if not os.path.lexists(path):
        return None
    try:
        content = read_bytes(path, "index", PARQUET_LIMIT)
        checksum = _checksum_path(path)
        recorded = read_bytes(checksum, "checksum").decode(errors="replace") if os.path.lexists(checksum) else ""
    except InputError as error:
        raise InputError(f"{error}, or choose another workdir") from None
    if recorded == _describe(path, content):
        index = _parse(content)
        return index if index.attrs.get("key") == key else None
    if not recorded and not _is_index(content):
        raise InputError(f"{path} was not written by this study: choose another workdir, or move the file")
    return None


def save(index: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Save an index and its checksum, each whole or not at all; returns the index as `load` does."""
    try:
        with write_whole(path) as new:
            content = index.to_parquet()
            new.write_bytes(content)
        with write_whole(_checksum_path(path)) as new:
            new.write_text(_describe(path, content))
    except OSError as error:
        raise InputError(f"workdir {path.parent} cannot be written ({error.strerror}): give another folder") from None
    return _parse(content)


def _parse(content: bytes) -> pd.DataFrame:
    index = pd.read_parquet(io.BytesIO(content))
    index["labels"] = index.labels.map(list)
    return index


def _checksum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _describe(path: Path, content: bytes) -> str:
    """A line as ``sha256sum`` writes and verifies it."""
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"


def _is_index(content: bytes) -> bool:
    """Whether a table was written as an index, by a version of the study that kept no checksum."""
    try:
        return "key" in pd.read_parquet(io.BytesIO(content), columns=["patch", "folder"]).attrs
    except Exception:  # a file of something else can raise anything
        return False
