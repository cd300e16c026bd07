"""Plain bytes of packed files: kinds by content, entered anywhere, truncation and flipped bits noticed."""

import gzip

import numpy as np
import pytest
import zstandard

from bigearth.archive import streams
from bigearth.archive.streams import DAMAGE, GZIP, TAR, ZSTD, GzipStream, PackedStream, recognise, thin_frames
from bigearth.errors import InputError
from tests.archive.packing import compress, make_tar

RAW = make_tar(
    [(f"folder/{i}", np.random.default_rng(i).integers(0, 9, 20_000, np.uint8).tobytes()) for i in range(20)]
)
KINDS = [(".tar.gz", GZIP), (".tar.zst", ZSTD)]


@pytest.mark.parametrize(("suffix", "kind"), [(".tar", TAR), *KINDS])
def test_kinds_are_told_by_content(tmp_path, suffix, kind):
    path = tmp_path / "odd name.jpg"
    path.write_bytes(compress(RAW, suffix))
    assert recognise(path) == kind


@pytest.mark.parametrize("content", [b"", b"PK\3\4" + bytes(600), bytes(1024), b"text" * 300])
def test_other_files_are_no_archives(file, content):
    with pytest.raises(InputError, match=r"neither a folder nor a \.tar"):
        recognise(file(content))


@pytest.mark.parametrize(("suffix", "kind"), KINDS)
@pytest.mark.parametrize("piece", [None, 5000])
def test_the_whole_stream(file, suffix, kind, piece):
    with PackedStream(file(compress(RAW, suffix, piece)), kind) as stream:
        assert b"".join(stream.iterate()) == RAW
        assert stream.checked


def test_a_frame_without_checksum_is_said(file):
    packed = zstandard.compress(RAW[:5000]) + compress(RAW[5000:], ".zst")
    with PackedStream(file(packed), ZSTD) as stream:
        assert b"".join(stream.iterate()) == RAW
        assert not stream.checked
        assert [plain for _, plain in stream.frames] == [0, 5000]


def test_skippable_frames(file):
    note = b"\x50\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"a note."
    packed = note + compress(RAW[:5000], ".zst") + note + compress(RAW[5000:], ".zst") + note
    assert recognise(file(packed)) == ZSTD
    with PackedStream(file(packed), ZSTD) as stream:
        assert b"".join(stream.iterate()) == RAW
        assert stream.checked


@pytest.mark.parametrize("piece", [None, 30_000])
def test_a_zstd_file_is_read_anywhere(file, piece):
    path = file(compress(RAW, ".zst", piece))
    with PackedStream(path, ZSTD) as stream:
        list(stream.iterate())
        entries = thin_frames(stream.frames, 50_000)
    assert len(entries) == (1 if piece is None else 8)
    with PackedStream(path, ZSTD, entries) as stream:
        for offset in (300_000, 10, 250_000, 255_000, 0, len(RAW) - 100):
            assert stream.read_at(offset, 100) == RAW[offset : offset + 100]
        with pytest.raises(EOFError):
            stream.read_at(len(RAW) - 10, 100)


@pytest.mark.parametrize("piece", [None, 30_000])
def test_a_gzip_file_is_read_anywhere(file, tmp_path, piece):
    path = file(compress(RAW, ".gz", piece))
    with streams.seek_points(path, tmp_path / "points") as wait:
        wait()
    stream = GzipStream(path, tmp_path / "points")
    for offset in (300_000, 10, 250_000, 0):
        assert stream.read_at(offset, 100) == RAW[offset : offset + 100]


def test_no_seek_points_in_a_damaged_file(file, tmp_path):
    with (
        pytest.raises(InputError, match="no seek points"),
        streams.seek_points(file(b"\x1f\x8b"), tmp_path / "p") as wait,
    ):
        wait()


@pytest.mark.parametrize(("suffix", "kind"), KINDS)
def test_every_cut_is_noticed(file, suffix, kind):
    whole = compress(RAW[:30_000], suffix)
    for length in [*range(1, len(whole) - 20, len(whole) // 40), *range(len(whole) - 20, len(whole))]:
        with pytest.raises(DAMAGE), PackedStream(file(whole[:length]), kind) as stream:
            list(stream.iterate())


@pytest.mark.parametrize(("suffix", "kind"), KINDS)
def test_no_flipped_bit_gives_other_bytes(file, suffix, kind):
    raw = RAW[:30_000]
    whole = compress(raw, suffix)
    noticed = 0
    for position in range(0, len(whole), len(whole) // 150):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        try:
            with PackedStream(file(bytes(damaged)), kind) as stream:
                assert b"".join(stream.iterate()) == raw
        except DAMAGE:
            noticed += 1
    assert noticed > 140


def test_zeros_after_gzip_are_padding_and_other_bytes_are_damage(file):
    packed = gzip.compress(RAW)
    with PackedStream(file(packed + bytes(1000)), GZIP) as stream:
        assert b"".join(stream.iterate()) == RAW
    with pytest.raises(DAMAGE), PackedStream(file(packed + b"x" * 50), GZIP) as stream:
        list(stream.iterate())
