"""Archives that stay packed: damaged, foreign, with odd members, or with a damaged index."""

import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patches
from bigearth.archive.source import open_archive
from tests.archive.packing import FORMS, compress, list_files, make_tar
from tests.fuzz import samples
from tests.fuzz.broken import DAMAGES, NO_FILES, damaged, put
from tests.fuzz.outcomes import Kind

BAND = "_B03.tif"
ODD = {
    "pipe": (tarfile.FIFOTYPE, "archive/pipe", ""),
    "device": (tarfile.BLKTYPE, "archive/device", ""),
    "link out": (tarfile.SYMTYPE, "archive/link", "/etc/passwd"),
    "link in place of a band": (tarfile.SYMTYPE, BAND, "../other.tif"),
    "hard link": (tarfile.LNKTYPE, BAND, "archive/other"),
    "pipe in place of a band": (tarfile.FIFOTYPE, BAND, ""),
    "folder in place of a band": (tarfile.DIRTYPE, BAND, ""),
    "sparse": (tarfile.GNUTYPE_SPARSE, BAND, ""),
    "absolute": (tarfile.REGTYPE, "/tmp/bigearth-evil", ""),
    "leading out": (tarfile.REGTYPE, "../evil", ""),
    "leading out inside": (tarfile.REGTYPE, "archive/../../evil", ""),
    "two lines": (tarfile.REGTYPE, "archive/a\nb", ""),
    "not of UTF-8": (tarfile.REGTYPE, "archive/\udcff", ""),
    "a list that leads out": (tarfile.REGTYPE, "lists/../../x.csv", ""),
}
OTHERS = ("band twice", "band missing", "JSON missing", "two archives", "huge size", "negative size", "huge header",
          "path in a header", "no end", "long names", "any order")  # fmt: skip
HOW = st.one_of(
    st.none(), DAMAGES, NO_FILES, st.sampled_from(sorted(ODD)).map(lambda name: ("odd", name)), st.sampled_from(OTHERS)
)
PACKED = st.tuples(st.sampled_from(sorted(FORMS)), st.sampled_from([1, 2]), HOW)


@cache
def members(version: int) -> tuple:
    return tuple(list_files(samples.archive(version)))


def odd_member(case: str, version: int) -> tarfile.TarInfo:
    kind, name, link = ODD[case]
    band = next(name for name, _ in members(version) if name.endswith(BAND))
    member = tarfile.TarInfo(band if name == BAND else name)
    member.type, member.linkname = kind, link
    return member


def write_size(raw: bytes, size: bytes) -> bytes:
    """Give the first file of a tar another size."""
    first = next(i for i in range(0, len(raw), 512) if raw[i + 156 : i + 157] == b"0")
    header = bytearray(raw[first : first + 512])
    header[124:136] = size.ljust(12, b"\0")
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    return raw[:first] + bytes(header) + raw[first + 512 :]


def make(version: int, how: Any) -> bytes:
    """The tar, odd as it is asked for."""
    chosen = list(members(version))
    if isinstance(how, tuple) and how[0] == "odd":
        member = odd_member(how[1], version)
        chosen = [one for one in chosen if one[0] != member.name] + [(member, b"")]
    if how in ("band twice", "band missing"):
        band = next(one for one in chosen if one[0].endswith(BAND))
        chosen = [*chosen, band] if how == "band twice" else [one for one in chosen if one is not band]
    if how == "JSON missing":
        chosen = [one for one in chosen if not one[0].endswith(".json")]
    if how == "any order":
        chosen.sort(key=lambda one: one[0][::-1])
    if how == "long names":
        chosen = [("x" * 300 + "/" + name, content) for name, content in chosen]
    if how in ("huge header", "path in a header"):
        member = tarfile.TarInfo("archive/noted")
        member.pax_headers = {"path": "/etc/evil"} if how == "path in a header" else {"comment": "x" * (4 << 20)}
        return make_tar([*chosen, (member, b"")], tarfile.PAX_FORMAT)
    raw = make_tar(chosen)
    sizes = {"huge size": b"\x80" + b"\x7f" * 11, "negative size": b"\xff" * 12}
    if how in sizes:
        return write_size(raw, sizes[how])
    return {"two archives": raw + raw, "no end": raw.rstrip(b"\0")}.get(how, raw) if isinstance(how, str) else raw


def read_packed(case: tuple, folder: Path) -> tuple:
    form, version, how = case
    suffix, piece = FORMS[form]
    path = folder / "work" / f"archive{suffix}"
    path.parent.mkdir()
    content = compress(make(version, how if how not in _FILES else None), suffix, piece)
    if isinstance(how, tuple) and how[0] != "odd":
        content = damaged(content, how)
    path.write_bytes(content)
    if how in _FILES:
        path.unlink()
        put(path, how)
    return read_all(path, folder)


_FILES = ("missing", "folder", "fifo", "loop", "dangling", "device", "empty", "lfs", "denied")


def read_all(path: Path, folder: Path) -> tuple:
    table = read_index(path, folder / "work")
    archive = open_archive(path, folder / "work")
    return table, dict(zip(table.patch, read_patches(archive, table.folder.tolist()), strict=True))


def right_packed(case: tuple, result: tuple, folder: Path) -> bool | str:
    form, version, how = case
    table, pixels = result
    truth, expected = samples.index(version), samples.pixels(version)
    same = table.drop(columns="labels").equals(truth.drop(columns="labels"))
    same &= table.labels.tolist() == truth.labels.tolist()
    same = same and all(np.array_equal(pixels[name][m], expected[name][m]) for name in expected for m in expected[name])
    if same:
        return True
    # nothing verifies the contents of a bare tar, which is said
    return "unknowable" if form == "tar" and isinstance(how, tuple) and how[0] != "odd" else False


INDEX = st.tuples(st.sampled_from(sorted(FORMS)), st.integers(0, 20), DAMAGES | NO_FILES)


def read_with_damaged_index(case: tuple, folder: Path) -> tuple:
    form, number, how = case
    suffix, piece = FORMS[form]
    path = folder / "work" / f"archive{suffix}"
    path.parent.mkdir()
    path.write_bytes(compress(make(1, None), suffix, piece))
    read_all(path, folder)
    files = sorted(
        file for file in (folder / f"work/{path.name}.index").rglob("*") if file.is_file() and file.stat().st_size
    )
    chosen = files[number % len(files)]
    if isinstance(how, tuple):
        chosen.write_bytes(damaged(chosen.read_bytes(), how))
    else:
        chosen.unlink()
        put(chosen, how)
    return read_all(path, folder)


KINDS = [
    Kind("packed archive", PACKED, read_packed, right_packed, may_change=("work",)),
    Kind("index of a packed archive", INDEX, read_with_damaged_index,
         lambda case, result, folder: right_packed((case[0], 1, None), result, folder), may_change=("work",)),
]  # fmt: skip
