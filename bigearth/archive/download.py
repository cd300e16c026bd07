"""Get a BigEarthNet archive: download and verify it, and unpack it where that is asked for.

The study reads the file as it comes. Called again, it goes on where it stopped. Addresses and checksums stand in
``downloads.csv``.
"""

import re
from pathlib import Path

import pandas as pd
import pooch
import requests
from requests.auth import AuthBase

from bigearth.archive.published import list_downloads
from bigearth.archive.room import check_room
from bigearth.archive.unpacking import unpack
from bigearth.errors import InputError
from bigearth.outside import open_file
from bigearth.progress import Progress

_CHUNK = 1 << 20
_TIMEOUT = 60  # s without an answer
# Bytes of the files of each version, and bytes, files and folders of its patches unpacked, on a disk of 4 KiB blocks.
PACKED_BYTES = {"v1": 66_000_000_000, "v2": 63_000_000_000}
UNPACKED_BYTES = {"v1": 116_000_000_000, "v2": 106_000_000_000}
UNPACKED_FILES = {"v1": 590_326 * 14, "v2": 549_488 * 13}


def describe_costs(version: str) -> str:
    """Say what an archive takes, as it comes and unpacked."""
    packed, unpacked = PACKED_BYTES[version] / 1e9, UNPACKED_BYTES[version] / 1e9
    files = UNPACKED_FILES[version] / 1e6
    return (
        f"as downloaded {packed:.0f} GB in a few files, which the notebooks read as they are; unpacked (--unpack) "
        f"another {unpacked:.0f} GB in {files:.1f} million files and folders"
    )


def fetch_archive(
    version: str, folder: str | Path, unpacked: bool = False, table: pd.DataFrame | None = None
) -> list[Path]:
    """Download and verify an archive; what is there already is verified, not fetched again.

    Parameters
    ----------
    version : str
        "v1" or "v2".
    folder : Path or str
        Gets the files.
    unpacked : bool
        Whether their contents are written into the folder, too.
    table : DataFrame, optional
        As `list_downloads` returns.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        Unknown version; the server fails; a checksum differs; an archive has unsafe members; the disk is full,
        or has too little room from the beginning.
    """
    table = list_downloads() if table is None else table
    rows = table[table.version == version]
    if rows.empty:
        raise InputError(f"version {version!r} is unknown: give v1 or v2")
    folder = Path(folder)
    _check_room(version, folder, unpacked, rows.file.tolist())
    paths = []
    for row in rows.itertuples():
        path = fetch_file(row.url, folder / row.file, row.checksum)
        if unpacked and ".tar" in path.name:
            unpack(path, folder)
        paths.append(path)
    return paths


def _check_room(version: str, folder: Path, unpacked: bool, names: list[str]) -> None:
    """Refuse to begin where disk or quota are too small for what is not there yet."""
    needed_bytes, needed_files = PACKED_BYTES[version], len(names)
    remedy = "choose another folder, or free some"
    for name in names:
        for path in (folder / name, folder / f"{name}.part"):
            if path.is_file():
                needed_bytes -= path.stat().st_size
    if unpacked and not any((folder / f"{name}.unpacked").exists() for name in names):
        needed_bytes += UNPACKED_BYTES[version]
        needed_files += UNPACKED_FILES[version]
        remedy += ", or leave it packed (without --unpack): the notebooks read it as it is"
    check_room(folder, needed_bytes, needed_files, remedy)


def fetch_file(url: str, path: Path, checksum: str | None, auth: AuthBase | None = None) -> Path:
    """Download a file; a part that an earlier call left is continued.

    Parameters
    ----------
    url : str
    path : Path
        The part is kept beside it as ``<name>.part``; the file gets its name when its checksum is right.
    checksum : str or None
        Such as "md5:..." or "sha256:..."; None where none is published: then the caller verifies the file.
    auth : requests' AuthBase, optional
        What the server wants to know.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        The server fails, the disk is full, the checksum differs (then the part is removed), or another file has this
        name.
    """
    if path.exists():
        if checksum:
            _verify(path, checksum)
        return path

    def continue_part(url: str, output: str, _: object) -> None:
        part = path.with_name(f"{path.name}.part")
        _download(url, part, auth)
        part.replace(output)

    try:
        pooch.retrieve(url, checksum, path.name, path.parent, downloader=continue_part)
    except requests.RequestException as error:
        reason = re.sub(r"\?\S*", "", str(error))  # a query may hold a token
        raise InputError(f"{url} cannot be fetched ({reason}): call again, it goes on where it stopped") from None
    except ValueError:
        raise InputError(f"{url} has not the {_describe(checksum or '')}: fetch it again") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): free space or quota, then call again, it goes on where it "
            f"stopped"
        ) from None
    return path


def _describe(checksum: str) -> str:
    return checksum.replace(":", " ")


def _verify(path: Path, checksum: str) -> None:
    open_file(path, "download").close()
    kind, _, digest = checksum.partition(":")
    if pooch.file_hash(path, kind) != digest:
        raise InputError(
            f"{path} exists and has not the {_describe(checksum)}: move it elsewhere, or choose another folder"
        )


def _download(url: str, part: Path, auth: AuthBase | None) -> None:
    """Append to a part what it lacks."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"}
    with requests.get(url, headers=headers, auth=auth, stream=True, timeout=_TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it is there
        response.raise_for_status()
        continued = response.status_code == requests.codes.partial_content
        have = have if continued else 0
        total = have + int(response.headers.get("Content-Length", 0))
        bar = Progress(part.stem, total, "B", done=have)
        with part.open("ab" if continued else "wb") as file, bar:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
