"""Unpack what a map needs of a zipped Sentinel-2 product."""

import hashlib
import re
import shutil
import zipfile
import zlib
from pathlib import Path

from bigearth.errors import InputError

_NEEDED = re.compile(r"\.SAFE/(MTD_MSIL2A\.xml|[^/]*_MTD_SAFL2A_[^/]*\.xml|GRANULE/[^/]+/(IMG_DATA/.*|[^/]*\.xml))$")


def unpack_product(path: Path, folder: Path) -> Path:
    """Unpack what is needed of a zipped product; what is there already is used.

    Parameters
    ----------
    path : Path
        The .zip.
    folder : Path
        Working folder of the map.

    Returns
    -------
    Path
        The product's SAFE folder.

    Raises
    ------
    InputError
        The zip is damaged, holds no product or several, or is another than the one with which the map was begun.
    """
    target = folder / "unpacked"
    record = folder / "unpacked.sha256"
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [item for item in archive.infolist() if _is_needed(item.filename)]
            digest = _hash_members(wanted)
            if not target.exists():
                part = folder / "unpacked.part"
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                archive.extractall(part, wanted)  # leaves out what would lead outside, verifies checksums
                record.write_text(digest)
                part.rename(target)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        raise InputError(f"product {path} is damaged or no zip ({error}): fetch it again") from None
    except OSError as error:
        raise InputError(
            f"product {path} cannot be unpacked into {folder} ({error.strerror}): check permissions and free space"
        ) from None
    if not record.is_file() or record.read_text() != digest:
        raise InputError(
            f"product {path} is not the one with which this map was begun: choose another folder for results"
        )
    found = sorted(target.rglob("*.SAFE"))
    names = {item.name for item in found}
    if not found:
        raise InputError(f"product {path} holds no L2A product (.SAFE): give the zip of a Sentinel-2 L2A product")
    if len(names) > 1:
        raise InputError(f"product {path} holds {len(names)} products ({', '.join(sorted(names))}): unzip it first")
    return found[0]


def _is_needed(name: str) -> bool:
    """Whether a member of a zip is part of a product's metadata or pixels; macOS adds others."""
    parts = name.split("/")
    return bool(_NEEDED.search(name)) and "__MACOSX" not in parts and not parts[-1].startswith("._")


def _hash_members(members: list[zipfile.ZipInfo]) -> str:
    """SHA-256 of the names and checksums of a zip's members."""
    listed = sorted((item.filename, item.CRC, item.file_size) for item in members)
    return hashlib.sha256(repr(listed).encode(errors="replace")).hexdigest()
