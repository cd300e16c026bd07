"""What tarfile reads from behaves alike for a file and for blocks, and is checked to its end."""

import tarfile

import pytest

from bigearth.archive.tar_sources import FileSource, StreamSource
from bigearth.progress import Progress

CONTENT = b"header" + b"x" * 100 + b"end" + bytes(50)


@pytest.fixture(params=["file", "blocks"])
def open_source(request, tmp_path):
    def open_one(content):
        bar = Progress("reading", 100, "B")
        if request.param == "blocks":
            return StreamSource(iter([content[:20], content[20:]]), bar)
        (tmp_path / "a").write_bytes(content)
        return FileSource(open(tmp_path / "a", "rb"), bar)

    return open_one


def test_contents_are_passed_over(open_source):
    source = open_source(CONTENT)
    assert source.read(6) == source.last == b"header"
    source.seek(106)
    assert source.read_content(3) == b"end" and source.tell() == 109
    source.check_end()


def test_odd_sizes_and_ends(open_source):
    with pytest.raises(tarfile.ReadError, match="a header of"):
        open_source(CONTENT).read(1 << 30)
    source = open_source(CONTENT)
    source.read(6)
    with pytest.raises(tarfile.ReadError, match="ends before it begins"):
        source.seek(3)
    with pytest.raises(EOFError):
        source.seek(10_000)
    with pytest.raises(EOFError, match="bytes after its end"):
        open_source(CONTENT).check_end()
