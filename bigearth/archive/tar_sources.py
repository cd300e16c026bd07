"""What tarfile reads a packed archive from: forward only, never more than a header into memory, checked to its end."""

import io
import os
import tarfile
from collections.abc import Iterator

from bigearth.archive.blocks import Blocks
from bigearth.progress import Progress

_HEADER_LIMIT = 1 << 20  # bytes of a name or of other notes about one member
_BLOCK_BYTES = 1 << 20


class Source:
    """A file object as far as tarfile needs one.

    Attributes
    ----------
    last : bytes
        What was read last.
    position : int
        In the plain bytes.
    """

    def __init__(self, bar: Progress) -> None:
        self.last = b""
        self.position = 0
        self._bar = bar

    def tell(self) -> int:
        """Position in the plain bytes."""
        return self.position

    def read(self, size: int) -> bytes:
        """Read a header; tarfile.ReadError where it would be larger than any."""
        if not 0 <= size <= _HEADER_LIMIT:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last = self.read_content(size)
        return self.last

    def read_content(self, size: int) -> bytes:
        """Read so many bytes; fewer at the end."""
        content = self._read(size)
        self.position += len(content)
        return content

    def seek(self, position: int) -> None:
        """Pass over what lies before a position."""
        if position < self.position:
            raise tarfile.ReadError("a member ends before it begins")
        self._skip(position - self.position)
        self._bar.update(position - self.position)
        self.position = position

    def check_end(self) -> None:
        """Check that nothing but zeros is left; EOFError otherwise."""
        for block in self._rest():
            if block.count(0) != len(block):
                raise EOFError("there are bytes after its end")

    def _read(self, size: int) -> bytes:
        raise NotImplementedError

    def _skip(self, size: int) -> None:
        raise NotImplementedError

    def _rest(self) -> Iterator[bytes]:
        raise NotImplementedError


class FileSource(Source):
    """The bytes of a ``.tar``, of which contents are left out."""

    def __init__(self, file: io.BufferedReader, bar: Progress) -> None:
        super().__init__(bar)
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def _read(self, size: int) -> bytes:
        return self._file.read(size)

    def _skip(self, size: int) -> None:
        if self.position + size > self._size:
            raise EOFError("a member is cut short")
        self._file.seek(size, 1)

    def _rest(self) -> Iterator[bytes]:
        while block := self._file.read(_BLOCK_BYTES):
            yield block


class StreamSource(Source):
    """The bytes that a decompressor hands over in blocks."""

    def __init__(self, blocks: Iterator[bytes], bar: Progress) -> None:
        super().__init__(bar)
        self._blocks = Blocks(blocks)

    def _read(self, size: int) -> bytes:
        return self._blocks.read(size)

    def _skip(self, size: int) -> None:
        self._blocks.skip(size)

    def _rest(self) -> Iterator[bytes]:
        return self._blocks.rest()
