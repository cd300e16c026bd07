"""The official lists of BigEarthNet v1.0, which its archive lacks: what to leave out, the splits, and the countries.

Their authors publish them in a Python package, ``bigearthnet_common`` (Apache-2.0, its data CDLA-Permissive-1.0). Its
wheel is a zip file: it is fetched and verified like any other file, and nothing of it is installed or executed.
"""

import bz2
import gzip
import io
import zipfile
import zlib
from pathlib import Path

import pandas as pd

from bigearth.archive.download import fetch_file
from bigearth.archive.lists import COUNTRIES, FLAGS, SPLIT_FILES, UNTARGETED, find_packed
from bigearth.archive.published import list_downloads
from bigearth.errors import InputError
from bigearth.files import write_whole
from bigearth.outside import open_file, read_text

_PUBLISHED_COUNTRIES = "s1_s2_name_country_season.csv"  # in the package


def fetch_lists(folder: str | Path, table: pd.DataFrame | None = None) -> list[Path]:
    """Fetch the official lists of v1.0 and write them where the notebooks look for them.

    Parameters
    ----------
    folder : Path or str
        Folder of the archive: it gets the package, and the lists in ``lists/``.
    table : DataFrame, optional
        As `list_downloads` returns.

    Returns
    -------
    list of Path
        Snow, cloud, patches without a label among the 19, the three splits, countries and seasons.

    Raises
    ------
    InputError
        The package cannot be fetched, see `fetch_file`; another list has the name of an official one.
    """
    folder = Path(folder)
    table = list_downloads() if table is None else table
    row = table[table.version == "lists"].iloc[0]
    package = fetch_file(row.url, folder / row.file, row.checksum)
    contents = _read_package(package)
    for name, text in contents.items():
        _check_place(folder / "lists" / name, text)
    paths = []
    for name, text in contents.items():
        path = find_packed(folder / "lists" / name)
        if not path.exists():
            _write(path, text)
        paths.append(path)
    return paths


def _read_package(package: Path) -> dict[str, str]:
    """Content of every list, by its path below ``lists/``."""
    names = {name: name for name in (*FLAGS.values(), UNTARGETED)}
    names |= {f"splits/{name}": name for name in SPLIT_FILES.values()}
    names |= {COUNTRIES: _PUBLISHED_COUNTRIES}
    contents = {}
    try:
        with zipfile.ZipFile(package) as wheel:
            for path, name in names.items():
                content = bz2.decompress(wheel.read(f"bigearthnet_common/{name}.bz2"))
                contents[path] = content.decode().replace("\r\n", "\n")
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, zlib.error) as error:
        raise InputError(f"{package} is not the package of the official lists ({error}): fetch it again") from None
    contents[COUNTRIES] = _choose_columns(contents[COUNTRIES])
    return contents


def _choose_columns(text: str) -> str:
    """Country and season by patch, without the names of Sentinel-1's patches."""
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    table = table.rename(columns={"s2_name": "patch"})[["patch", "country", "season"]]
    return table.to_csv(index=False, lineterminator="\n")


def _check_place(path: Path, text: str) -> None:
    """Refuse to go on where another list has this name."""
    path = find_packed(path)
    if not path.exists():
        return
    open_file(path, "list").close()
    if read_text(path, "list").split() != text.split():
        raise InputError(f"{path} exists and is not the official list: move it elsewhere, or choose another folder")


def _write(path: Path, text: str) -> None:
    content = text.encode()
    try:
        with write_whole(path) as new:
            new.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): free space or quota, or choose another folder"
        ) from None
