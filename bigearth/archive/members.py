"""The members of a packed archive, listed in one pass over it, during which everything that has a checksum is verified.

Nothing is extracted but the archive's tables and the JSON of every patch; no name in the archive becomes a path.
"""

import hashlib
import re
import tarfile
from array import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from bigearth.archive.metadata_v1 import SUFFIX
from bigearth.archive.metadata_v2 import FOLDER as V2_FOLDER
from bigearth.archive.streams import DAMAGE, TAR, PackedStream
from bigearth.archive.tar_sources import FileSource, Source, StreamSource
from bigearth.background import read_ahead
from bigearth.errors import InputError
from bigearth.outside import JSON_LIMIT, TEXT_LIMIT, open_file
from bigearth.patch import BANDS, MINIATURE_MARKER, PATCH_NAME
from bigearth.progress import Progress

# Ends of the names of a patch's files, in the order of the columns of `Members`.
FILE_ENDS = (*(f"_{band}.tif" for band in BANDS), SUFFIX)
DESCRIPTION = len(BANDS)  # number of the column of the JSON
# In place of a file's size, what is wrong with it.
MISSING, TWICE = -1, -2

_COLUMN = {end: column for column, end in enumerate(FILE_ENDS)}
_LARGEST = 2**31 - 1
_OTHER_FOLDERS = {"Reference_Maps", "BigEarthNet-S1"}
_TABLE = re.compile(r"(?:.*/)?((?:lists/)(?:splits/)?[\w.-]+\.csv(?:\.gz)?|metadata\.parquet)")
_MOST_TABLES = 32
_BLOCK_BYTES = 1 << 20
_BLOCKS_AHEAD = 8


@dataclass
class Members:
    """Where the files of every patch lie.

    Attributes
    ----------
    folders : list of str
        Of the patches, in the archive's order: "S2A_..._0_45" in v1.0, "BigEarthNet-S2/S2A_.../S2A_..._00_45" in v2.0.
    offsets : (n, 13) int64 array
        Where each of `FILE_ENDS` begins in the plain bytes.
    sizes : (n, 13) int32 array
        Bytes of each, or `MISSING` or `TWICE`.
    count : int
        All members of the archive.
    frames : list of (int, int)
        Where the frames of a zstd file begin, in its packed and plain bytes.
    verified : str
        What the contents were verified by; empty where nothing verifies them.
    """

    folders: list[str] = field(default_factory=list)
    offsets: np.ndarray = field(default_factory=lambda: np.zeros((0, len(FILE_ENDS)), np.int64))
    sizes: np.ndarray = field(default_factory=lambda: np.zeros((0, len(FILE_ENDS)), np.int32))
    count: int = 0
    frames: list[tuple[int, int]] = field(default_factory=list)
    verified: str = ""


class Sink(Protocol):
    """What takes the contents of small files."""

    def add_table(self, name: str, content: bytes) -> None:
        """Keep a table: ``metadata.parquet``, ``lists/...csv``, or the mark of a generated archive."""
        ...

    def add_description(self, row: int, content: bytes) -> None:
        """Keep the JSON of a patch, by the row of its folder."""
        ...


def list_members(path: Path, kind: str, sink: Sink, md5: str | None) -> Members:
    """Read an archive front to back.

    Parameters
    ----------
    path : Path
    kind : str
        As `streams.recognise` returns it.
    sink : Sink
    md5 : str, optional
        Published for this file.

    Raises
    ------
    InputError
        The archive is truncated or damaged; it holds a link, a device, a pipe or a sparse file, or a name that leads
        out of a folder, which `unpacking` refuses alike.
    """
    try:
        if kind == TAR:
            return _list_tar(path, sink)
        return _list_packed(path, kind, sink, md5)
    except DAMAGE as error:
        raise InputError(f"archive {path} is damaged ({str(error):.200}): fetch it again") from None
    except OSError as error:
        raise InputError(f"archive {path} cannot be read ({error.strerror or error}): check its disk") from None


def check_member(member: tarfile.TarInfo, path: Path) -> None:
    """Refuse a member whose name leads out of the archive, and what is neither file nor folder."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise InputError(
            f"{path} has the member {member.name!r:.300}, which leads out of the folder: do not use this file"
        )
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise InputError(f"{path} has the member {member.name!r:.300}, neither file nor folder: do not use this file")


def _list_tar(path: Path, sink: Sink) -> Members:
    bar = Progress(f"reading {path.name}", path.stat().st_size, "B")
    with open_file(path, "archive") as file, bar:
        return _walk(FileSource(file, bar), path, sink)


def _list_packed(path: Path, kind: str, sink: Sink, md5: str | None) -> Members:
    bar = Progress(f"reading {path.name}", unit="B")
    with PackedStream(path, kind) as stream, closing(read_ahead(_hash_while_reading(path, md5), 1)) as hashed, bar:
        with closing(read_ahead(_gather(stream.iterate()), _BLOCKS_AHEAD)) as blocks:
            members = _walk(StreamSource(blocks, bar), path, sink)
        members.frames = stream.frames
        found = next(hashed)
    if md5 and found != md5:
        raise InputError(
            f"archive {path} has not the published md5 {md5} of a file of this name: fetch it again, or rename it"
        )
    if stream.checked:
        members.verified = f"{kind}'s checksums"
    if md5:
        members.verified = "the published md5"
    return members


def _hash_while_reading(path: Path, md5: str | None) -> Iterator[str]:
    """The md5 of a file, taken in the thread that waits for it."""
    if md5:
        with open_file(path, "archive") as file:
            yield hashlib.file_digest(file, "md5").hexdigest()
    else:
        yield ""


def _gather(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Put small blocks together: handing one over to another thread costs as much as decompressing it."""
    parts, size = [], 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size >= _BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)


def _walk(source: Source, path: Path, sink: Sink) -> Members:
    """Read all headers, note where the patches' files are, and hand over the small files."""
    collected = _Collector(sink)
    tar = tarfile.TarFile(fileobj=source, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
    member = tar.next()
    while member is not None:
        check_member(member, path)
        collected.add(member, partial(source.read_content, member.size))
        tar.members.clear()  # type: ignore[attr-defined]  # they would take 2 KB each
        member = tar.next()
    if len(source.last) < tarfile.BLOCKSIZE or source.last.count(0) < len(source.last):
        raise tarfile.ReadError("a header is damaged, or the end is missing")
    source.check_end()
    return collected.finish()


class _Collector:
    """Rows of `Members`, while they are collected."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rows: dict[str, int] = {}
        self._offsets = array("q")
        self._sizes = array("i")
        self._count = 0
        self._tables: set[str] = set()

    def add(self, member: tarfile.TarInfo, read: partial) -> None:
        """Note one member."""
        self._count += 1
        folder, _, name = member.name.rpartition("/")
        if member.isdir():
            if PATCH_NAME.fullmatch(name):
                self._find_row(member.name)
            return
        parent = folder.rpartition("/")[2]
        if name.startswith(parent) and PATCH_NAME.fullmatch(parent):
            column = _COLUMN.get(name[len(parent) :])
            if column is not None:
                self._add_file(folder, column, member, read)
            return
        self._add_table(member, name, read)

    def _find_row(self, folder: str) -> int | None:
        parts = folder.split("/")
        if not _OTHER_FOLDERS.isdisjoint(parts):
            return None
        key = "/".join(parts[-3:]) if parts[-3:-2] == [V2_FOLDER] else parts[-1]
        row = self._rows.setdefault(key, len(self._rows))
        if row * len(FILE_ENDS) == len(self._sizes):
            self._offsets.extend([0] * len(FILE_ENDS))
            self._sizes.extend([MISSING] * len(FILE_ENDS))
        return row

    def _add_file(self, folder: str, column: int, member: tarfile.TarInfo, read: partial) -> None:
        row = self._find_row(folder)
        if row is None:
            return
        place = row * len(FILE_ENDS) + column
        if self._sizes[place] != MISSING:
            self._sizes[place] = TWICE
            return
        self._offsets[place] = member.offset_data
        self._sizes[place] = min(member.size, _LARGEST)
        if column == DESCRIPTION and member.size <= JSON_LIMIT:
            self._sink.add_description(row, _read_whole(member, read))

    def _add_table(self, member: tarfile.TarInfo, name: str, read: partial) -> None:
        match = _TABLE.fullmatch(member.name)
        table = match[1] if match else name
        if not match and name != MINIATURE_MARKER:
            return
        if member.size > TEXT_LIMIT or len(self._tables) >= _MOST_TABLES or table in self._tables:
            raise tarfile.ReadError(f"{member.name!r:.200} is too large, one too many, or there twice")
        self._tables.add(table)
        self._sink.add_table(table, _read_whole(member, read))

    def finish(self) -> Members:
        """All that was collected."""
        width = len(FILE_ENDS)
        offsets = np.frombuffer(self._offsets, np.int64).reshape(-1, width)
        sizes = np.frombuffer(self._sizes, np.int32).reshape(-1, width)
        return Members(list(self._rows), offsets, sizes, self._count)


def _read_whole(member: tarfile.TarInfo, read: partial) -> bytes:
    content = read()
    if len(content) < member.size:
        raise EOFError(f"{member.name!r:.200} is cut short")
    return content
