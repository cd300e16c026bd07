"""The published files of BigEarthNet, with their checksums, as ``downloads.csv`` lists them."""

from importlib.resources import files

import pandas as pd


def list_downloads() -> pd.DataFrame:
    """The files of the archives and of their lists: DataFrame [version, file, checksum, url].

    A checksum stands behind its kind: "md5:...".
    """
    return pd.read_csv(files("bigearth.archive") / "downloads.csv")


def find_md5(name: str) -> str | None:
    """The published md5 of the file of this name; None where none is published."""
    table = list_downloads().set_index("file")
    if name not in table.index:
        return None
    kind, _, digest = table.checksum[name].partition(":")
    return digest if kind == "md5" else None
