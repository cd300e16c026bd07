"""Unpack a ``.tar.gz`` or ``.tar.zst``, and later recognise what was unpacked by the number and size of its files.

An interrupted unpacking goes on: what lies there is compared with the archive, and only what differs is written.
"""

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from bigearth.archive.blocks import Blocks
from bigearth.archive.members import check_member
from bigearth.archive.streams import DAMAGE, GZIP, ZSTD, PackedStream
from bigearth.errors import InputError
from bigearth.files import write_whole
from bigearth.outside import check_types, read_json
from bigearth.progress import Progress

_CHUNK = 1 << 20
_MARKER = ".unpacking"  # in a folder that is being unpacked into


def unpack(path: Path, folder: Path) -> None:
    """Unpack an archive, all of it or nothing.

    Parameters
    ----------
    path : Path
        Beside it ``<name>.unpacked`` records what was unpacked where.
    folder : Path
        What the archive holds at its top appears in the folder when everything is unpacked.

    Raises
    ------
    InputError
        The file is damaged; a member is absolute, leads out of the folder, or is neither file nor folder; the disk is
        full; something of the same name is there.
    """
    record = _read_record(path, folder)
    if record and all(_measure(folder / name) == counts for name, counts in record.items()):
        return
    part = folder / f".{path.name}.part"
    # what was unpacked before and is incomplete now is completed in its place
    root = folder if record else part
    try:
        if root == part:
            _begin(part, path)
        tops = _unpack_members(path, root, folder)
        counts = {name: _measure(root / name) for name in sorted(tops)}
        _write_record(path, folder, counts)
        if root == part:
            for name in counts:
                (part / name).rename(folder / name)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}): free space or quota, then call again; what is "
            f"unpacked is kept in {root}, it goes on from there"
        ) from None
    shutil.rmtree(part, ignore_errors=True)


def _begin(part: Path, path: Path) -> None:
    if part.exists() and not (part / _MARKER).exists():
        raise InputError(f"{part} exists and is no begun unpacking of {path.name}: choose another folder")
    part.mkdir(parents=True, exist_ok=True)
    (part / _MARKER).touch()


def _unpack_members(path: Path, root: Path, folder: Path) -> set[str]:
    """Write all members below a root; returns the names at the top."""
    tops: set[str] = set()
    try:
        with _open_plain(path) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for member in tar:
                check_member(member, path)
                top = _top_of(member)
                if top and top not in tops:
                    tops.add(top)
                    if root != folder and os.path.lexists(folder / top):
                        raise InputError(f"{folder / top} exists already: choose another folder, or move it elsewhere")
                _write_member(tar, member, root, may_replace=root != folder)
            while plain.read(_CHUNK):  # to the end, where the checksum stands
                pass
    except DAMAGE as error:
        _discard(root, folder)
        raise InputError(f"{path} is damaged ({error}): fetch it again") from None
    except InputError:
        _discard(root, folder)
        raise
    return tops


def _discard(root: Path, folder: Path) -> None:
    if root != folder:
        shutil.rmtree(root, ignore_errors=True)


def _top_of(member: tarfile.TarInfo) -> str:
    parts = PurePosixPath(member.name).parts
    return parts[0] if parts else ""


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path, may_replace: bool) -> None:
    target = root / member.name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    source = tar.extractfile(member)
    content = source.read() if source else b""
    if len(content) < member.size:
        raise EOFError(f"{member.name} is cut short")
    try:
        file = target.open("xb")
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    except FileExistsError:
        if target.is_file() and target.read_bytes() == content:
            return
        if not may_replace:
            raise InputError(
                f"{target} differs from what was unpacked: move it elsewhere, or choose another folder"
            ) from None
        file = target.open("wb")
    with file:
        file.write(content)


@contextmanager
def _open_plain(path: Path) -> Iterator[io.BufferedReader]:
    """Open an archive without its compression; reading it to its end verifies its checksums."""
    bar = Progress(f"unpacking {path.name}", unit="B")
    with PackedStream(path, ZSTD if path.suffix == ".zst" else GZIP) as stream, bar:
        yield io.BufferedReader(_PlainReader(stream, bar), _CHUNK)


class _PlainReader(io.RawIOBase):
    """The plain bytes of a stream as a file."""

    def __init__(self, stream: PackedStream, bar: Progress) -> None:
        self._blocks = Blocks(stream.iterate())
        self._bar = bar

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._blocks.read(len(buffer))
        self._bar.update(len(content))
        buffer[: len(content)] = content
        return len(content)


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.unpacked")


def _read_record(path: Path, folder: Path) -> dict[str, list[int]]:
    """Read the record of what was unpacked into this folder: name at the top to number of files and bytes, or empty."""
    place = _record_path(path)
    if not place.exists() or place.stat().st_size == 0:  # an earlier version wrote an empty file
        return {}
    record = read_json(place, "record")
    check_types(record, {"folder": str, "unpacked": dict[str, list[int]]}, f"record {place}")
    return record["unpacked"] if record["folder"] == str(folder.absolute()) else {}


def _write_record(path: Path, folder: Path, counts: dict[str, list[int]]) -> None:
    with write_whole(_record_path(path)) as new:
        new.write_text(json.dumps({"folder": str(folder.absolute()), "unpacked": counts}, indent=1) + "\n")


def _measure(path: Path) -> list[int]:
    """Number of files and their bytes at and below a path; [0, 0] where there is nothing."""
    if not path.is_dir():
        return [1, path.stat().st_size] if path.is_file() else [0, 0]
    number, size = 0, 0
    for folder, _, names in os.walk(path):
        number += len(names)
        size += sum(os.stat(os.path.join(folder, name), follow_symlinks=False).st_size for name in names)
    return [number, size]
