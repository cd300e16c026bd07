"""Bytes that come in blocks, such as those of a decompressor, read forward by number."""

from collections.abc import Iterator


class Blocks:
    """Reads blocks of any length as one stream.

    Parameters
    ----------
    blocks : iterator of bytes
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Read so many bytes; fewer at the end."""
        if size <= len(self._left):
            part = self._left[:size].tobytes()
            self._left = self._left[size:]
            return part
        parts = []
        while size and self._fill():
            parts.append(self._left[:size])
            self._left = self._left[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass over so many bytes; EOFError where they end before."""
        while size:
            if not self._fill():
                raise EOFError("it ends too early")
            part = min(size, len(self._left))
            self._left = self._left[part:]
            size -= part

    def rest(self) -> Iterator[bytes]:
        """Yield what is left, in pieces."""
        while self._fill():
            yield self._left.tobytes()
            self._left = memoryview(b"")

    def _fill(self) -> bool:
        """Go to the next block where this one is used up; whether there is one."""
        while not len(self._left):
            block = next(self._blocks, None)
            if block is None:
                return False
            self._left = memoryview(block)
        return True
