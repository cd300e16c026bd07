"""Get a BigEarthNet archive: download, verify and unpack it.

Called again, it goes on where it stopped. Addresses and checksums stand in ``downloads.csv``.
"""

from pathlib import Path

import pandas as pd
import pooch
import requests
from tqdm import tqdm

from bigearth.archive.published import list_downloads
from bigearth.archive.unpacking import unpack
from bigearth.errors import InputError
from bigearth.outside import open_file

_CHUNK = 1 << 20
_TIMEOUT = 60  # s without an answer


def fetch_archive(version: str, folder: str | Path, table: pd.DataFrame | None = None) -> None:
    """Download, verify and unpack an archive; what is there already is verified, not fetched again.

    Parameters
    ----------
    version : str
        "v1" (66 GB) or "v2" (63 GB); unpacked they take about 120 GB more.
    folder : Path or str
        Gets the files and what they hold.
    table : DataFrame, optional
        As `list_downloads` returns.

    Raises
    ------
    InputError
        Unknown version; the server fails; a checksum differs; an archive has unsafe members; the disk is full.
    """
    table = list_downloads() if table is None else table
    rows = table[table.version == version]
    if rows.empty:
        raise InputError(f"version {version!r} is unknown: give one of {', '.join(table.version.unique())}")
    for row in rows.itertuples():
        path = fetch_file(row.url, Path(folder) / row.file, row.md5)
        if ".tar" in path.name:
            unpack(path, Path(folder))


def fetch_file(url: str, path: Path, md5: str) -> Path:
    """Download a file; a part that an earlier call left is continued.

    Parameters
    ----------
    url : str
    path : Path
        The part is kept beside it as ``<name>.part``; the file gets its name when its checksum is right.
    md5 : str

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
        _verify(path, md5)
        return path

    def continue_part(url: str, output: str, _: object) -> None:
        part = path.with_name(f"{path.name}.part")
        _download(url, part)
        part.replace(output)

    try:
        pooch.retrieve(url, f"md5:{md5}", path.name, path.parent, downloader=continue_part)
    except requests.RequestException as error:
        raise InputError(f"{url} cannot be fetched ({error}): call again, it goes on where it stopped") from None
    except ValueError:
        raise InputError(f"{url} has not the md5 {md5}: fetch it again") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): free space or quota, then call again, it goes on where it "
            f"stopped"
        ) from None
    return path


def _verify(path: Path, md5: str) -> None:
    open_file(path, "download").close()
    if pooch.file_hash(path, "md5") != md5:
        raise InputError(f"{path} exists and has not the md5 {md5}: move it elsewhere, or choose another folder")


def _download(url: str, part: Path) -> None:
    """Append to a part what it lacks."""
    have = part.stat().st_size if part.exists() else 0
    with requests.get(url, headers={"Range": f"bytes={have}-"}, stream=True, timeout=_TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it is there
        response.raise_for_status()
        continued = response.status_code == requests.codes.partial_content
        have = have if continued else 0
        total = have + int(response.headers.get("Content-Length", 0)) or None
        bar = tqdm(total=total, initial=have, desc=part.stem, unit="B", unit_scale=True)
        with part.open("ab" if continued else "wb") as file, bar:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
