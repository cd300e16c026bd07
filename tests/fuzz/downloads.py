"""Archives to unpack: damaged, foreign, or leading out of their folder."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import zstandard
from hypothesis import strategies as st

from bigearth.archive.download import unpack
from tests.fuzz.broken import DAMAGES, NO_FILES, damaged, put
from tests.fuzz.outcomes import Kind

MEMBERS = ["archive/a.txt", "archive/sub/b.bin", "other/c.bin"]
CONTENT = {name: bytes(range(256)) * (i + 1) * 7 for i, name in enumerate(MEMBERS)}
ODD_MEMBERS = st.sampled_from(
    [
        ("../evil", "file"),
        ("/tmp/bigearth-evil", "file"),
        ("archive/l", "link"),
        ("archive/d", "device"),
        ("mine.txt", "file"),
    ]
)
PACKED = st.tuples(
    st.sampled_from(["gz", "zst"]),
    st.one_of(st.none(), DAMAGES, NO_FILES, ODD_MEMBERS.map(lambda member: ("member", *member))),
    st.sampled_from(["nothing", "believed", "half"]),
)


def pack(suffix: str, odd: tuple[str, str] | None = None) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in CONTENT.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if odd:
            member = tarfile.TarInfo(odd[0])
            member.type = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "device": tarfile.CHRTYPE}[odd[1]]
            member.linkname = "/etc/passwd" if odd[1] == "link" else ""
            tar.addfile(member, io.BytesIO(b""))
    if suffix == "gz":
        return gzip.compress(raw.getvalue(), mtime=0)
    return zstandard.ZstdCompressor(write_checksum=True).compress(raw.getvalue())


def prepare_mine(case: tuple, folder: Path) -> None:
    (folder / "mine.txt").write_text("mine")


def unpack_broken(case: tuple, folder: Path) -> Any:
    suffix, how, before = case
    path = folder / "work" / f"archive.tar.{suffix}"
    path.parent.mkdir()
    odd = how[1:] if isinstance(how, tuple) and how[0] == "member" else None
    content = pack(suffix, odd)
    if isinstance(how, str):
        put(path, how)
    else:
        path.write_bytes(damaged(content, how) if how and not odd else content)
    if before == "believed":
        path.with_name(path.name + ".unpacked").touch()
    if before == "half":
        (folder / "work" / f".{path.name}.part").mkdir()
        (folder / "work" / f".{path.name}.part" / "archive").mkdir()
    unpack(path, folder / "work")
    return folder / "work"


def right_unpacked(case: tuple, result: Path, folder: Path) -> bool:
    return all((result / name).is_file() and (result / name).read_bytes() == CONTENT[name] for name in MEMBERS)


KINDS = [Kind("archive to unpack", PACKED, unpack_broken, right_unpacked, prepare_mine, may_change=("work",))]
