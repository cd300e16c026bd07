"""The plain bytes of a ``.tar``, ``.tar.gz`` or ``.tar.zst``: front to back with every checksum, or entered anywhere.

Kinds are recognised by content. A gzip file is entered at the seek points that rapidgzip found; a zstd file at the
beginning of any of its frames, so that a file of a single frame can only be read from its beginning.
"""

import os
import subprocess
import sys
import tarfile
import weakref
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zstandard

from bigearth.archive.blocks import Blocks
from bigearth.errors import InputError
from bigearth.outside import open_file

TAR, GZIP, ZSTD = "tar", "gzip", "zstd"
DAMAGE = (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError, OverflowError, RecursionError, zlib.error)

# Bytes that are decompressed at once: a forged block may become 30,000 times larger.
_PACKED_BYTES = 1 << 14
_READ_BYTES = 1 << 20
_FRAME_HEADER_BYTES = 18
_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # a zstd frame without content begins with a byte from 0x50 to 0x5f, then these
# Packed bytes between seek points: each holds 32 KiB of plain bytes, which must stay far below 1 % of the file.
_GZIP_SPACING = 16 << 20
_SEEK_PROGRAM = """
import sys, rapidgzip
packed, points, spacing = sys.argv[1], sys.argv[2], int(sys.argv[3])
with rapidgzip.RapidgzipFile(packed, parallelization=2, chunk_size=spacing) as file:
    while file.read(1 << 20):
        pass
    file.export_index(points)
"""


def recognise(path: Path) -> str:
    """Find which kind of archive a file is, by its first bytes; InputError where it is none."""
    with open_file(path, "archive") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if head.startswith(_GZIP_MAGIC):
        return GZIP
    if head.startswith(_ZSTD_MAGIC) or head[1:4] == _SKIPPABLE:
        return ZSTD
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        raise InputError(
            f"archive {path} is neither a folder nor a .tar, .tar.gz or .tar.zst: give BigEarthNet's, as downloaded or "
            f"unpacked"
        ) from None
    return TAR


class PackedStream:
    """A gzip or zstd file as one plain stream, read forward; truncation and wrong checksums raise one of `DAMAGE`.

    Parameters
    ----------
    path : Path
    kind : str
    entries : (n, 2) int array, optional
        Where frames begin, in the packed and in the plain bytes; default: only the beginning is known.

    Attributes
    ----------
    frames : list of (int, int)
        Where the frames begin that were come by.
    checked : bool
        Whether every frame so far carries a checksum of its content.
    """

    def __init__(self, path: Path, kind: str, entries: np.ndarray | None = None) -> None:
        self.kind = kind
        self.frames: list[tuple[int, int]] = []
        self.checked = True
        self._entries = np.zeros((1, 2), np.int64) if entries is None else entries
        self._plain_starts = self._entries[:, 1].tolist()
        self._file = open_file(path, "archive")
        self._position: int
        self._blocks: Blocks
        self._enter(0)

    def __enter__(self) -> "PackedStream":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def iterate(self) -> Iterator[bytes]:
        """The plain bytes from the beginning, in pieces."""
        return self._blocks.rest()

    def read_at(self, offset: int, size: int) -> bytes:
        """Read plain bytes anywhere; what lies between is decompressed, unless a frame begins nearer."""
        entry = bisect_right(self._plain_starts, offset) - 1
        if offset < self._position or self._plain_starts[entry] > self._position:
            self._enter(entry)
        self._blocks.skip(offset - self._position)
        content = self._blocks.read(size)
        self._position = offset + len(content)
        if len(content) < size:
            raise EOFError("it ends too early")
        return content

    def _enter(self, entry: int) -> None:
        packed, plain = self._entries[entry].tolist()
        self._file.seek(packed)
        self._position = plain
        self._blocks = Blocks(self._decompress(plain))

    def _decompress(self, plain: int) -> Iterator[bytes]:
        """Decompress frame after frame from the file's position, which is at ``plain`` of the plain bytes."""
        frame: Any = None
        packed = memoryview(b"")
        while True:
            if not len(packed):
                packed = memoryview(self._file.read(_READ_BYTES))
            if not len(packed):
                break
            if frame is None:
                packed = self._begin_frame(packed, plain)
                if not len(packed):
                    continue
                frame = zlib.decompressobj(31) if self.kind == GZIP else zstandard.ZstdDecompressor().decompressobj()
            piece, packed = packed[:_PACKED_BYTES], packed[_PACKED_BYTES:]
            block = frame.decompress(piece)
            if frame.eof:
                packed = memoryview(frame.unused_data + packed.tobytes())
                frame = None
            if block:
                plain += len(block)
                yield block
        if frame is not None:
            raise EOFError("it is cut short")

    def _begin_frame(self, packed: memoryview, plain: int) -> memoryview:
        """Note where a frame begins; returns the packed bytes from there on."""
        if self.kind == GZIP:
            return memoryview(packed.tobytes().lstrip(b"\0"))  # gzip pads with zeros
        if len(packed) < _FRAME_HEADER_BYTES:
            packed = memoryview(packed.tobytes() + self._file.read(_READ_BYTES))
        self.frames.append((self._file.tell() - len(packed), plain))
        if packed[1:4] != _SKIPPABLE:
            self.checked &= zstandard.get_frame_parameters(packed[:_FRAME_HEADER_BYTES]).has_checksum
        return packed


class Stream(Protocol):
    """Plain bytes that can be read anywhere."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Read plain bytes."""
        ...


class PlainStream:
    """The bytes of a ``.tar``."""

    def __init__(self, path: Path) -> None:
        self._file = open_file(path, "archive")

    def read_at(self, offset: int, size: int) -> bytes:
        """Read bytes anywhere."""
        return os.pread(self._file.fileno(), size, offset)


class GzipStream:
    """A verified gzip file, entered at its seek points."""

    def __init__(self, path: Path, points: Path) -> None:
        import rapidgzip

        self._file = rapidgzip.RapidgzipFile(str(path), parallelization=1)
        # a file that is not closed when the interpreter ends aborts the process
        weakref.finalize(self, self._file.close)
        self._file.import_index(str(points))

    def read_at(self, offset: int, size: int) -> bytes:
        """Read plain bytes anywhere."""
        self._file.seek(offset)
        return self._file.read(size)


@contextmanager
def seek_points(path: Path, points: Path) -> Iterator[Callable[[], None]]:
    """Find the seek points of a gzip file in a process of its own: rapidgzip may abort on a damaged file.

    Yields
    ------
    callable
        Waits until they are written; to be called when the file was verified, and raises InputError where none are.
    """
    command = [sys.executable, "-c", _SEEK_PROGRAM, str(path), str(points), str(_GZIP_SPACING)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait() -> None:
        if process.wait():
            raise InputError(
                f"archive {path}: rapidgzip finds no seek points (exit status {process.returncode}); unpack it"
            )

    try:
        yield wait
    finally:
        process.kill()
        process.wait()


def thin_frames(frames: list[tuple[int, int]], distance: int = _READ_BYTES) -> np.ndarray:
    """Choose frames to enter a file at, at least so many plain bytes apart: (n, 2) int array."""
    chosen: list[tuple[int, int]] = []
    for packed, plain in frames:
        if not chosen or plain - chosen[-1][1] >= distance:
            chosen.append((packed, plain))
    return np.array(chosen or [(0, 0)], np.int64)
