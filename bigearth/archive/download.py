"""Get a BigEarthNet archive: ``python -m bigearth.archive.download v2 <folder>`` downloads, verifies and unpacks it.

Called again, it goes on where it stopped. Addresses and checksums stand in ``downloads.csv``.
"""

import argparse
import shutil
import sys
import tarfile
import zlib
from importlib.resources import files
from pathlib import Path, PurePosixPath

import pandas as pd
import pooch
import requests
import zstandard
from tqdm import tqdm

from bigearth.errors import InputError

_CHUNK = 1 << 20
_FILTER = (
    {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
)  # not in Python 3.11.2; `_check` does not rely on it


def downloads():
    """The files of the archives: DataFrame [version, file, md5, url]."""
    return pd.read_csv(files("bigearth.archive") / "downloads.csv")


def acquire(version, folder, table=None):
    """Download, verify and unpack an archive; what is there already is verified, not fetched again.

    Parameters
    ----------
    version : str
        "v1" (66 GB) or "v2" (63 GB); unpacked they take about 120 GB more.
    folder : Path or str
        Gets the files and what they hold.
    table : DataFrame, optional
        As `downloads` returns.

    Raises
    ------
    InputError
        Unknown version; the server fails; a checksum differs; an archive has unsafe members.
    """
    table = downloads() if table is None else table
    rows = table[table.version == version]
    if rows.empty:
        raise InputError(f"version {version!r} is unknown: give one of {', '.join(table.version.unique())}")
    for row in rows.itertuples():
        path = download(row.url, Path(folder) / row.file, row.md5)
        if ".tar" in path.name:
            unpack(path, Path(folder))


def download(url, path, md5):
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
        The server fails, or the checksum differs (then the part is removed).
    """

    def resume(url, output, _):
        part = Path(path).with_name(f"{path.name}.part")
        have = part.stat().st_size if part.exists() else 0
        with requests.get(url, headers={"Range": f"bytes={have}-"}, stream=True, timeout=60) as response:
            if response.status_code != requests.codes.requested_range_not_satisfiable:  # else all of it is there
                response.raise_for_status()
                resumed = response.status_code == requests.codes.partial_content
                have = have if resumed else 0
                total = have + int(response.headers.get("Content-Length", 0)) or None
                bar = tqdm(total=total, initial=have, desc=path.name, unit="B", unit_scale=True)
                with part.open("ab" if resumed else "wb") as file, bar:
                    for chunk in response.iter_content(_CHUNK):
                        file.write(chunk)
                        bar.update(len(chunk))
        part.replace(output)

    try:
        pooch.retrieve(url, f"md5:{md5}", path.name, path.parent, downloader=resume)
    except requests.RequestException as error:
        raise InputError(f"{url} cannot be fetched ({error}): call again, it goes on where it stopped") from None
    except ValueError:
        raise InputError(f"{url} has not the md5 {md5}: it was removed, fetch it again") from None
    return path


def unpack(path, folder):
    """Unpack a ``.tar.gz`` or ``.tar.zst``, all of it or nothing.

    Parameters
    ----------
    path, folder : Path
        What the archive holds at its top appears in the folder when everything is unpacked.

    Raises
    ------
    InputError
        The file is damaged; a member is absolute, leads out of the folder, or is neither file nor folder.
    """
    done, part = path.with_name(f"{path.name}.unpacked"), folder / f".{path.name}.part"
    if done.exists():
        return
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with (
            path.open("rb") as raw,
            tqdm.wrapattr(raw, "read", path.stat().st_size, desc=f"unpacking {path.name}") as file,
        ):
            plain = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
            with tarfile.open(fileobj=plain, mode="r|" if path.suffix == ".zst" else "r|gz") as tar:
                for member in tar:
                    _check(member, path)
                    tar.extract(member, part, set_attrs=False, **_FILTER)
        for entry in part.iterdir():
            if (folder / entry.name).exists():
                raise InputError(f"{folder / entry.name} exists already: remove it, or choose another folder")
        for entry in part.iterdir():
            entry.rename(folder / entry.name)
        done.touch()
    except (tarfile.TarError, zstandard.ZstdError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error}): remove it and fetch it again") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check(member, path):
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"{path} has the member {member.name!r}, which leads out of the folder: do not use this file")
    if not (member.isreg() or member.isdir()):
        raise InputError(f"{path} has the member {member.name!r}, neither file nor folder: do not use this file")


def main(arguments=None):
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m bigearth.archive.download", description=__doc__)
    parser.add_argument("version", choices=sorted(downloads().version.unique()))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    try:
        acquire(options.version, options.folder)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
