"""The index of a packed archive's members, kept in the folder ``<workdir>/<name of the archive>.index/``.

All ranks map its tables into memory, so that 590,326 patches take the same pages whatever the number of ranks. The file
``index.json`` is written last and holds the checksums of the others: what was interrupted is made anew.
"""

import hashlib
import json
import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import zstandard

from bigearth.archive.members import list_members
from bigearth.archive.published import find_md5
from bigearth.archive.streams import GZIP, recognise, seek_points, thin_frames
from bigearth.errors import InputError
from bigearth.files import locked, write_whole
from bigearth.outside import check_types, open_file, read_json
from bigearth.patch import MINIATURE_MARKER

FORMAT = 1  # changes with what the folder holds
FOLDERS, OFFSETS, SIZES, FRAMES = "folders.npy", "offsets.npy", "sizes.npy", "frames.npy"
ABOUT, ABOUT_FRAMES, ABOUT_PLACES = "descriptions.zst", "description_frames.npy", "description_offsets.npy"
POINTS, TABLES = "seek_points", "tables"
_RECORD, _LOCK = "index.json", "lock"
_TYPES = {"format": int, "archive": list[int], "kind": str, "members": int, "verified": str, "files": dict[str, str]}
_OWN_NAMES = {
    *(FOLDERS, OFFSETS, SIZES, FRAMES, ABOUT, ABOUT_FRAMES, ABOUT_PLACES, POINTS, TABLES, _RECORD, _LOCK),
    f"{_RECORD}.partial",
}
_FRAME_BYTES = 1 << 18  # of descriptions that are decompressed to read one


def find_index(archive: Path, workdir: Path) -> tuple[Path, dict]:
    """Find the index of an archive, or make it.

    Parameters
    ----------
    archive : Path
        A ``.tar``, ``.tar.gz`` or ``.tar.zst``.
    workdir : Path

    Returns
    -------
    folder : Path
        Of the index.
    record : dict
        format, archive (size and time), kind, members (their number), verified (by what), files (with checksums).

    Raises
    ------
    InputError
        The archive is damaged or none, see `members.list_members`; the folder is not the study's own, cannot be
        written, or another process is writing it.
    """
    kind = recognise(archive)
    state = archive.stat()
    described = [state.st_size, state.st_mtime_ns]
    folder = workdir / f"{archive.name}.index"
    record = _load(folder)
    if record and record["archive"] == described and record["kind"] == kind:
        return folder, record
    try:
        with locked(folder / _LOCK, f"index of {archive}"):
            record = _write(archive, kind, described, folder)
        # removed when it is closed: on NFS a file that is removed while open leaves another one
        (folder / _LOCK).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"workdir {folder} cannot be written ({error.strerror}): give another folder") from None
    return folder, record


def _load(folder: Path) -> dict | None:
    """The record of an index that is whole; None where there is none."""
    place = folder / _RECORD
    if not os.path.lexists(place):
        found = sorted(path.name for path in folder.glob("*") if path.name not in _OWN_NAMES) if folder.is_dir() else []
        if found or os.path.lexists(folder) and not folder.is_dir():
            raise InputError(f"{folder} is no index of this study: move it away, or choose another workdir")
        return None
    record = read_json(place, "index", "move it away, or choose another workdir")
    check_types(record, _TYPES, f"index {place}", "move it away, or choose another workdir")
    if record["format"] != FORMAT:
        return None
    for name, digest in record["files"].items():
        if _hash(folder / name) != digest:
            return None
    return record


def _hash(path: Path) -> str:
    try:
        with open_file(path, "index") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (InputError, OSError):
        return ""


def _write(archive: Path, kind: str, described: list[int], folder: Path) -> dict:
    (folder / _RECORD).unlink(missing_ok=True)  # from here on it is not whole
    _clear(folder)
    with ExitStack() as stack:
        points = stack.enter_context(seek_points(archive, folder / POINTS)) if kind == GZIP else None
        sink = stack.enter_context(_Sink(folder))
        members = list_members(archive, kind, sink, find_md5(archive.name))
        places = sink.finish(len(members.folders))
        if points:
            points()
    order = np.argsort(np.array(members.folders, bytes), kind="stable")
    arrays = {
        FOLDERS: np.array(members.folders, bytes)[order],
        OFFSETS: members.offsets[order],
        SIZES: members.sizes[order],
        ABOUT_PLACES: places[order],
        FRAMES: thin_frames(members.frames),
    }
    for name, values in arrays.items():
        np.save(folder / name, values)
    files = {str(path.relative_to(folder)): _hash(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    files = {name: digest for name, digest in files.items() if name not in (_LOCK, _RECORD)}
    record = {
        "format": FORMAT,
        "archive": described,
        "kind": kind,
        "members": members.count,
        "verified": members.verified,
        "files": files,
    }
    with write_whole(folder / _RECORD) as new:
        new.write_text(json.dumps(record, indent=1) + "\n")
    return record


def _clear(folder: Path) -> None:
    """Remove what an earlier index left, and no other file."""
    for name in _OWN_NAMES - {TABLES, _LOCK}:
        (folder / name).unlink(missing_ok=True)
    for pattern in ("*.parquet", MINIATURE_MARKER, "lists/*.csv*", "lists/splits/*.csv*"):
        for path in (folder / TABLES).glob(pattern):
            path.unlink()


class _Sink:
    """Writes the small files of an archive into its index: tables as they are, descriptions compressed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = open(folder / ABOUT, "wb")
        self._compressor = zstandard.ZstdCompressor(write_checksum=True)
        self._waiting: list[bytes] = []
        self._frames: list[tuple[int, int]] = []
        self._written = 0
        self._taken = 0
        self._places: dict[int, int] = {}

    def __enter__(self) -> "_Sink":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add_table(self, name: str, content: bytes) -> None:
        path = self._folder / TABLES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def add_description(self, row: int, content: bytes) -> None:
        self._places[row] = self._taken
        self._waiting.append(content)
        self._taken += len(content)
        if self._taken - self._written >= _FRAME_BYTES:
            self._write_frame()

    def finish(self, rows: int) -> np.ndarray:
        """Write what is left; returns where the description of each row begins in the plain bytes."""
        self._write_frame()
        self._file.close()
        np.save(self._folder / ABOUT_FRAMES, np.array(self._frames, np.int64))
        places = np.zeros(rows, np.int64)
        places[list(self._places)] = list(self._places.values())
        return places

    def _write_frame(self) -> None:
        self._frames.append((self._file.tell(), self._written))
        self._file.write(self._compressor.compress(b"".join(self._waiting)))
        self._waiting.clear()
        self._written = self._taken
