"""Blocks of any length are one stream: read, passed over, and ended as the bytes are."""

import pytest

from bigearth.archive.blocks import Blocks

CONTENT = bytes(range(256))


def cut(*lengths):
    place = 0
    for length in lengths:
        yield CONTENT[place : place + length]
        place += length


@pytest.mark.parametrize("lengths", [(256,), (0, 1, 2, 0, 253), (100, 100, 56), (1,) * 256])
def test_reading_and_passing_over(lengths):
    blocks = Blocks(cut(*lengths))
    assert blocks.read(3) == CONTENT[:3] and blocks.read(0) == b""
    blocks.skip(100)
    assert blocks.read(50) == CONTENT[103:153]
    assert b"".join(blocks.rest()) == CONTENT[153:] and blocks.read(1) == b""


def test_the_end():
    assert Blocks(cut(10)).read(11) == CONTENT[:10]
    with pytest.raises(EOFError):
        Blocks(cut(10)).skip(11)
    assert list(Blocks(iter(())).rest()) == []
