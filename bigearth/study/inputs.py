"""Describe the inputs of a run that no run writes (lists, splits, metadata, archives, cubes) as text to compare."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from bigearth.archive.lists import find_packed
from bigearth.files import resolve
from bigearth.patch import parse_miniature

HASHED_BYTES = 64 << 20  # of a larger file (an archive, a cube) size and time must do
ARCHIVE_TABLES = ("metadata.parquet", "lists/*", "lists/splits/*")
PRODUCT_METADATA = ("*.SAFE/MTD_*.xml", "*.SAFE/GRANULE/*/MTD_*.xml")


def read_inputs(values: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Describe every file that a run reads, as far as its parameters name it.

    Parameters
    ----------
    values : dict
        The run's parameters, defaults included.
    workdir : Path

    Returns
    -------
    dict
        Path to what is there: None where nothing is, otherwise something that changes with the content.
    """
    archive = find_archive(values.get("archive"), workdir)
    found: dict[str, Any] = {}
    if archive:
        found["archive"] = describe_folder(archive, ARCHIVE_TABLES)
        if archive.is_file():
            found["archive tables"] = describe_tables(archive.parent, ARCHIVE_TABLES)
    if values.get("tiles"):
        found["tiles"] = describe_folder(resolve(values["tiles"]), PRODUCT_METADATA)
    for name in values.get("exclude") or ():
        found[f"exclude {name}"] = describe_file(locate_list(name, archive))
    for name in ("splits", "weights"):
        if values.get(name):
            found[name] = describe_small_folder(resolve(values[name]))
    # the notebook that chooses the splits writes the cube, the others read it
    if values.get("cube") and "splits" not in values:
        found["cube"] = describe_file(resolve(values["cube"]))
    for name in values.get("runs") or ():
        found[f"run {name}"] = describe_file(workdir / "runs" / name / "predictions.h5")
    return found


def find_archive(archive: str | None, workdir: Path) -> Path | None:
    """Folder or file of the parameter ``archive``; the generated one lies in the scratch folder."""
    if not archive:
        return None
    miniature = parse_miniature(archive)
    return workdir / miniature[0] if miniature else resolve(archive)


def locate_list(name: str, archive: Path | None) -> Path:
    """Find a list, also before the archive is there: a bare file name is one of the archive's ``lists/``."""
    own = find_packed(resolve(name))
    if archive is None or Path(name).name != name:
        return own
    folder = archive.parent if archive.is_file() else archive  # lists lie in a folder, or beside a file
    beside = find_packed(folder / "lists" / name)
    return beside if beside.exists() or not own.exists() else own


def describe_file(path: Path) -> Any:
    """Digest of a file's content; size and time of a large one or of a folder; None where there is none."""
    try:
        status = path.stat()
        if not path.is_file() or status.st_size > HASHED_BYTES:
            return [status.st_size, status.st_mtime_ns]
        return _hash_content(path, status.st_size, status.st_mtime_ns)
    except OSError:
        return None


def describe_folder(path: Path, tables: tuple[str, ...]) -> Any:
    """Time of a large folder, and digests of the tables in it, given by patterns."""
    if not path.is_dir():
        return describe_file(path)
    return {".": path.stat().st_mtime_ns} | describe_tables(path, tables)


def describe_tables(path: Path, tables: tuple[str, ...]) -> dict[str, Any]:
    """Digests of the tables in a folder, given by patterns."""
    described = {}
    for pattern in tables:
        for table in sorted(path.glob(pattern)):
            if table.is_file():
                described[str(table.relative_to(path))] = describe_file(table)
    return described


def describe_small_folder(path: Path) -> Any:
    """Digests of all files that lie directly in a folder."""
    if not path.is_dir():
        return describe_file(path)
    return {file.name: describe_file(file) for file in sorted(path.iterdir()) if file.is_file()}


@lru_cache(maxsize=10_000)
def _hash_content(path: Path, size: int, time: int) -> str:
    """Digest of a file; the same size and time mean the same content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
