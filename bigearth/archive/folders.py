"""An archive that is a folder: BigEarthNet v1.0 or v2.0, unpacked."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bigearth.archive.metadata_v1 import SUFFIX
from bigearth.archive.metadata_v2 import FOLDER as V2_FOLDER
from bigearth.errors import InputError
from bigearth.outside import JSON_LIMIT, open_file, read_bytes
from bigearth.patch import BANDS, PATCH_NAME

_PACKED = (".tar", ".tar.gz", ".tgz", ".tar.zst")
REMEDY = "restore it from the archive, or exclude the patch"


class BandFiles:
    """Files of bands that lie on the disk."""

    def read_band(self, path: str, limit: int) -> bytes:
        """Read a band's file, at most ``limit`` bytes of it; OSError where it cannot be read."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
        try:
            return os.read(descriptor, limit)
        finally:
            os.close(descriptor)

    @contextmanager
    def name_for_gdal(self, path: str) -> Iterator[str]:
        """Check that a file is there and a regular one, and give the name by which GDAL opens it."""
        try:
            open_file(path, "band").close()
        except InputError as error:
            if not os.path.lexists(path):
                raise InputError(f"{path} is missing: {REMEDY}") from None
            raise InputError(f"{error}, or exclude the patch") from None
        yield path


class FolderArchive(BandFiles):
    """The patches of an unpacked archive.

    Attributes
    ----------
    path : Path
    tables : Path
        Folder of ``lists/`` and ``metadata.parquet``.
    version : int
        1 or 2.
    verified : str or None
        By what the contents were verified; None: files on a disk are not.
    threads : int
        Calls that are worth making at once: on a parallel file system opening a file is waiting, not work.
    """

    threads = 16
    verified: str | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tables = path
        self.version = _find_version(path)

    def list_folders(self) -> list[str]:
        """The folders of all patches that are there, relative to the archive."""
        if self.version == 1:
            # a file or a broken link of a patch's name is a damaged patch, not one less
            return sorted(entry.name for entry in os.scandir(self.path) if PATCH_NAME.fullmatch(entry.name))
        root = self.path / V2_FOLDER
        if not root.is_dir():
            raise InputError(
                f"{root} is missing: give the path of BigEarthNet-S2.tar.zst as archive, or extract it there"
            )
        tiles = [entry.name for entry in os.scandir(root) if entry.is_dir()]
        with ThreadPoolExecutor(self.threads) as pool:
            listed = list(pool.map(os.listdir, [root / tile for tile in tiles]))
        return [f"{V2_FOLDER}/{tile}/{name}" for tile, names in zip(tiles, listed, strict=True) for name in names]

    def find_problem(self, folder: str) -> str | None:
        """Find the first problem of a patch's band files: missing, or no regular file."""
        place = self.path / folder
        try:
            with os.scandir(place) as entries:
                regular = {entry.name: entry.is_file() for entry in entries}
        except OSError as error:
            return f"{place} cannot be listed ({error.strerror}): {REMEDY}"
        for band in sorted(BANDS):
            name = f"{place.name}_{band}.tif"
            if name not in regular:
                return f"{place / name} is missing: {REMEDY}"
            if not regular[name]:
                return f"{place / name} is not a regular file: {REMEDY}"
        return None

    def read_description(self, folder: str) -> bytes:
        """Read the JSON of a v1.0 patch."""
        place = self.path / folder
        return read_bytes(place / f"{place.name}{SUFFIX}", "metadata", JSON_LIMIT)

    def order(self, folders: Sequence[str]) -> np.ndarray | None:
        """The order in which patches are best read; None: any."""
        return None


def _find_version(path: Path) -> int:
    if (path / "metadata.parquet").exists():
        return 2
    try:
        with os.scandir(path) as entries:
            if any(PATCH_NAME.fullmatch(entry.name) for entry in entries):
                return 1
    except OSError as error:
        raise InputError(f"archive {path} cannot be listed ({error.strerror}): change its permissions") from None
    packed = [one for one in sorted(path.iterdir()) if one.name.endswith(_PACKED)]
    if packed:
        raise InputError(f"archive {path} holds no unpacked archive, but {packed[0].name}: give {packed[0]}")
    raise InputError(
        f"archive {path} holds neither v1.0 patch folders (S2A_MSIL2A_...) nor v2.0's metadata.parquet: "
        f"give the folder that does"
    )
