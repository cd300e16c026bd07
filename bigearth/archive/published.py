"""The published files of BigEarthNet, with their checksums, as ``downloads.csv`` lists them."""

from importlib.resources import files

import pandas as pd


def list_downloads() -> pd.DataFrame:
    """The files of the archives: DataFrame [version, file, md5, url]."""
    return pd.read_csv(files("bigearth.archive") / "downloads.csv")


def find_md5(name: str) -> str | None:
    """The published md5 of the file of this name; None where none is published."""
    table = list_downloads().set_index("file")
    return str(table.md5[name]) if name in table.index else None
