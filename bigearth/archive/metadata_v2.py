"""The metadata of BigEarthNet v2.0: its table of patches, and where they lie."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bigearth.errors import InputError
from bigearth.patch import PATCH_METRES, SPLITS
from bigearth.tables import read_parquet

COLUMNS = ("patch_id", "labels", "split", "country", "contains_seasonal_snow", "contains_cloud_or_shadow")
FOLDER = "BigEarthNet-S2"  # of the patches, beside the table
_REMEDY = "restore the file, it belongs to BigEarthNet v2.0"
_NAME = re.compile(r"(S2[A-D]_MSIL2A_(\d{8})T.+_(T\d\d[A-Z]{3}))_(\d{1,4})_(\d{1,4})", re.ASCII)


def read_metadata(path: Path) -> pd.DataFrame:
    """Read v2.0's ``metadata.parquet`` as an index (see `index.read_index`), whether or not the patches are there.

    Raises
    ------
    InputError
        The file cannot be read, see `outside.read_parquet`, or has a value of another kind than v2.0's.
    """
    table = read_parquet(path, COLUMNS, "metadata").reset_index(drop=True)
    if table.empty:
        raise InputError(f"metadata {path} has no row: {_REMEDY}")
    patch = table["patch_id"].tolist()
    source, date, tile, column, row = zip(*(_parse_name(name, path) for name in patch), strict=True)
    corners = {name: tile_corner(name) for name in set(tile)}
    epsg, x, y = np.array([corners[name] for name in tile]).T
    return pd.DataFrame(
        {
            "patch": patch,
            "folder": [f"{FOLDER}/{folder}/{name}" for folder, name in zip(source, patch, strict=True)],
            "labels": _check_label_lists(table["labels"], patch, path),
            "split": _check_splits(table["split"], patch, path),
            "tile": tile,
            "tile_source": source,
            "country": table["country"],
            "date": _parse_dates(date, path),
            "x": x + PATCH_METRES * np.array(column, int),
            "y": y - PATCH_METRES * np.array(row, int),
            "epsg": epsg,
            "snow": _check_flags(table["contains_seasonal_snow"], path),
            "cloud": _check_flags(table["contains_cloud_or_shadow"], path),
        }
    )


def tile_corner(tile: str) -> tuple[int, int, int]:
    """EPSG code and upper left corner (m) of a Sentinel-2 tile of the northern hemisphere, from its MGRS name."""
    zone, band, column, row = int(tile[1:3]), tile[3], tile[4], tile[5]
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    if not 1 <= zone <= 60 or set(tile[3:6]).difference(letters):
        raise InputError(f"tile {tile} is not a name of the MGRS: restore the file that names it")
    if band < "N":
        raise InputError(f"tile {tile} lies south of the equator, BigEarthNet's do not: restore the file that names it")
    east = letters.index(column) - 8 * ((zone - 1) % 3) + 1
    north = (letters.index(row) - 5 * ((zone + 1) % 2)) % 20
    # rows repeat every 2000 km; the latitude band says which: its southern edge is 8 degrees a letter from N
    south = (letters.index(band) - letters.index("N")) * 8 * 110.6 / 100
    while north + 1 < south:
        north += 20
    # tiles start on the 60 m grid, at or beyond the corner of their 100 km square
    return 32600 + zone, east * 100_000 // 60 * 60, -(-(north + 1) * 100_000 // 60) * 60


def _parse_name(name: Any, path: Path) -> tuple[str, ...]:
    """Product, date, tile, column and row of a patch."""
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if not match:
        raise InputError(f"metadata {path}: {name!r:.80} is not a v2.0 patch name: {_REMEDY}")
    return match.groups()


def _check_label_lists(column: pd.Series, patches: list[str], path: Path) -> list[list[str]]:
    lists = []
    for patch, labels in zip(patches, column, strict=True):
        if not isinstance(labels, list | np.ndarray) or not all(isinstance(label, str) for label in labels):
            raise InputError(f"metadata {path}: labels of {patch} are {labels!r:.80}, not a list of names: {_REMEDY}")
        lists.append(list(labels))
    return lists


def _check_splits(column: pd.Series, patches: list[str], path: Path) -> pd.Series:
    wrong = ~column.isin(SPLITS) & column.notna()
    if wrong.any():
        first = int(wrong.to_numpy().argmax())
        raise InputError(f"metadata {path}: split of {patches[first]} is {column.iloc[first]!r:.80}: {_REMEDY}")
    return column.astype(object).where(column.notna(), None)


def _check_flags(column: pd.Series, path: Path) -> pd.Series:
    try:
        return column.astype("boolean")
    except (TypeError, ValueError):
        raise InputError(f"metadata {path}: {column.name} is not true or false everywhere: {_REMEDY}") from None


def _parse_dates(dates: tuple[str, ...], path: Path) -> pd.Series:
    try:
        return pd.to_datetime(pd.Series(dates), format="%Y%m%d")
    except ValueError as error:
        raise InputError(f"metadata {path}: a patch name has no date ({error}): {_REMEDY}") from None
