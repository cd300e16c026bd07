"""An archive that stays packed: patches read from a ``.tar``, ``.tar.gz`` or ``.tar.zst`` through an index of it."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from osgeo import gdal

from bigearth.archive import member_index
from bigearth.archive.folders import REMEDY
from bigearth.archive.members import DESCRIPTION, FILE_ENDS, MISSING, TWICE
from bigearth.archive.metadata_v2 import FOLDER as V2_FOLDER
from bigearth.archive.streams import DAMAGE, GZIP, TAR, ZSTD, GzipStream, PackedStream, PlainStream, Stream
from bigearth.errors import InputError
from bigearth.outside import JSON_LIMIT
from bigearth.patch import BANDS

_PROBLEMS = {MISSING: "is missing", TWICE: "is in the archive twice"}
_LARGEST_FILE = 1 << 26  # bytes of a band's file
_LARGEST_SPAN = 1 << 22  # bytes from the first to the last file of a patch that are read at once


class PackedArchive:
    """The patches of a packed archive; attributes and methods as `folders.FolderArchive` has them."""

    threads = 1  # one position in one stream

    def __init__(self, path: Path, workdir: Path) -> None:
        self.path = path
        folder, record = member_index.find_index(path, workdir)
        self.verified: str | None = record["verified"]
        self.tables = folder / member_index.TABLES
        if not self.tables.is_dir():
            self.tables = path.parent
        self._kind = record["kind"]
        self._index = folder
        self._folders = self._load(member_index.FOLDERS)
        self._offsets = self._load(member_index.OFFSETS)
        self._sizes = self._load(member_index.SIZES)
        self._about_offsets = self._load(member_index.ABOUT_PLACES)
        if not len(self._folders):
            raise InputError(f"archive {path} holds no patch of BigEarthNet (S2A_MSIL2A_...): give the file that does")
        self.version = 2 if self._folders[0].startswith(V2_FOLDER.encode()) else 1
        self._stream: Stream | None = None
        self._about: PackedStream | None = None
        self._span: tuple[str, int, bytes] = ("", 0, b"")

    def list_folders(self) -> list[str]:
        """The folders of all patches, in the order in which they stand in the archive."""
        folders = self._folders[np.argsort(self._begins(slice(None)), kind="stable")]
        return folders.astype(str).tolist()

    def find_problem(self, folder: str) -> str | None:
        """Find the first problem of a patch's band files: missing, there twice, or too large to be one."""
        row = self._find_row(folder)
        if row is None:
            return f"{self.path / folder} is missing: {REMEDY}"
        sizes = self._sizes[row]
        for column in sorted(range(len(BANDS)), key=FILE_ENDS.__getitem__):
            if not 0 <= sizes[column] <= _LARGEST_FILE:
                return self._describe_problem(folder, column, int(sizes[column]))
        return None

    def read_description(self, folder: str) -> bytes:
        """Read the JSON of a v1.0 patch."""
        row = self._find_row(folder)
        size = MISSING if row is None else int(self._sizes[row, DESCRIPTION])
        if row is None or not 0 <= size <= JSON_LIMIT:
            raise InputError(self._describe_problem(folder, DESCRIPTION, size))
        if self._about is None:
            frames = self._load(member_index.ABOUT_FRAMES)
            self._about = PackedStream(self._index / member_index.ABOUT, ZSTD, frames)
        return self._about.read_at(int(self._about_offsets[row]), size)

    def order(self, folders: Sequence[str]) -> np.ndarray | None:
        """The order in which patches are best read: as they stand in a compressed archive; None: any."""
        if self._kind == TAR:
            return None
        rows = [self._find_row(folder) for folder in folders]
        return np.argsort(self._begins(rows), kind="stable")

    def read_band(self, path: str, limit: int) -> bytes:
        """Read a band's file, at most ``limit`` bytes of it; InputError where it cannot be."""
        folder, _, name = path.rpartition("/")
        folder = os.path.relpath(folder, self.path)
        column = FILE_ENDS.index(name[len(folder.rpartition("/")[2]) :])
        row = self._find_row(folder)
        size = MISSING if row is None else int(self._sizes[row, column])
        if row is None or not 0 <= size <= _LARGEST_FILE:
            raise InputError(self._describe_problem(folder, column, size))
        if self._span[0] != folder:
            self._span = (folder, *self._read_span(row))
        _, start, content = self._span
        first = int(self._offsets[row, column]) - start
        if 0 <= first and first + size <= len(content):
            return content[first : first + min(size, limit)]
        return self._read_at(int(self._offsets[row, column]), min(size, limit))

    @contextmanager
    def name_for_gdal(self, path: str) -> Iterator[str]:
        """Put a band's file into GDAL's memory, and give the name by which GDAL opens it."""
        name = f"/vsimem/{os.getpid()}-{os.path.basename(path)}"
        gdal.FileFromMemBuffer(name, self.read_band(path, _LARGEST_FILE))
        try:
            yield name
        finally:
            gdal.Unlink(name)

    def _read_span(self, row: int) -> tuple[int, bytes]:
        """All files of a patch at once, which stand side by side; empty where they do not."""
        there = self._sizes[row, :DESCRIPTION] >= 0
        begins = self._offsets[row, :DESCRIPTION][there]
        ends = begins + self._sizes[row, :DESCRIPTION][there]
        start, end = int(begins.min()), int(ends.max())
        return (start, self._read_at(start, end - start)) if end - start <= _LARGEST_SPAN else (0, b"")

    def _read_at(self, offset: int, size: int) -> bytes:
        try:
            if self._stream is None:
                self._stream = self._open_stream()
            content = self._stream.read_at(offset, size)
        except (*DAMAGE, OSError, RuntimeError) as error:
            raise InputError(f"archive {self.path} cannot be read ({str(error):.200}): fetch it again") from None
        if len(content) < size:
            raise InputError(f"archive {self.path} became shorter while it was read: fetch it again")
        return content

    def _open_stream(self) -> Stream:
        if self._kind == TAR:
            return PlainStream(self.path)
        if self._kind == GZIP:
            return GzipStream(self.path, self._index / member_index.POINTS)
        return PackedStream(self.path, ZSTD, self._load(member_index.FRAMES))

    def _load(self, name: str) -> np.ndarray:
        return np.load(self._index / name, mmap_mode="r" if (self._index / name).stat().st_size > 128 else None)

    def _begins(self, rows: slice | list) -> np.ndarray:
        """Where the first file of each patch begins."""
        offsets = np.where(self._sizes[rows] >= 0, self._offsets[rows], np.iinfo(np.int64).max)
        return offsets.min(axis=1)

    def _find_row(self, folder: str) -> int | None:
        key = os.fsencode(folder)
        row = bisect_left(self._folders, key)
        return row if row < len(self._folders) and self._folders[row] == key else None

    def _describe_problem(self, folder: str, column: int, size: int) -> str:
        name = f"{folder.rpartition('/')[2]}{FILE_ENDS[column]}"
        problem = _PROBLEMS.get(size, f"has {size:,} bytes")
        return f"{self.path / folder / name} {problem}: {REMEDY}"
