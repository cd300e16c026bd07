"""The two forms of an archive behind one interface: a folder, or the file as it was downloaded."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np

from bigearth.archive.folders import FolderArchive
from bigearth.archive.packed import PackedArchive


class Bands(Protocol):
    """Reads the files of bands."""

    def read_band(self, path: str, limit: int) -> bytes:
        """Read a band's file, at most ``limit`` bytes of it."""
        ...

    def name_for_gdal(self, path: str) -> AbstractContextManager[str]:
        """Check a band's file, and give the name by which GDAL opens it."""
        ...


class Archive(Bands, Protocol):
    """The patches of an archive; see `folders.FolderArchive`."""

    path: Path
    tables: Path
    version: int
    verified: str | None
    threads: int

    def list_folders(self) -> list[str]:
        """The folders of all patches that are there, relative to the archive."""
        ...

    def find_problem(self, folder: str) -> str | None:
        """Find the first problem of a patch's band files."""
        ...

    def read_description(self, folder: str) -> bytes:
        """Read the JSON of a v1.0 patch."""
        ...

    def order(self, folders: Sequence[str]) -> np.ndarray | None:
        """The order in which patches are best read; None: any."""
        ...


def open_archive(path: str | Path, workdir: str | Path) -> Archive:
    """Open an archive, whatever its form.

    Parameters
    ----------
    path : Path or str
        Folder of BigEarthNet v1.0 or v2.0, or its ``.tar``, ``.tar.gz`` or ``.tar.zst``.
    workdir : Path or str
        Holds the index of a file, which is made where it is absent.

    Raises
    ------
    InputError
        Neither; damaged; see `member_index.find_index`.
    """
    path = Path(path).absolute()
    if path.is_dir():
        return FolderArchive(path)
    return PackedArchive(path, Path(workdir))
