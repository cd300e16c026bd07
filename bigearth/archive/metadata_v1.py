"""The metadata of a BigEarthNet v1.0 patch: the JSON beside its bands."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from bigearth.errors import InputError
from bigearth.outside import check_types, parse_json
from bigearth.patch import PATCH_METRES

SUFFIX = "_labels_metadata.json"  # after the name of the patch
_REMEDY = "restore it from the archive, or exclude the patch"
_KEYS = {
    "labels": list[str],
    "coordinates": dict[str, float],
    "projection": str,
    "tile_source": str,
    "acquisition_date": str,
}
_CORNERS = dict.fromkeys(("ulx", "uly", "lrx", "lry"), float)
_TILE = re.compile(r"_(T(\d\d)[A-Z]{3})(?:_|$)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")
_EPSG = re.compile(r'AUTHORITY\["EPSG","(\d+)"\]')
_UTM_NORTH = 32600  # EPSG code of UTM zone n on WGS 84 is this + n


def parse_patch_metadata(content: bytes, folder: Path) -> dict[str, Any]:
    """Parse the JSON of a patch.

    Parameters
    ----------
    content : bytes
    folder : Path
        Folder of the patch, for messages.

    Returns
    -------
    dict
        labels (list), tile ("T33UUP"), tile_source (product name), date, x, y (upper left corner, m), epsg.

    Raises
    ------
    InputError
        It is no JSON, see `outside.parse_json`, lacks a key, or has a value that cannot be.
    """
    path = folder / f"{folder.name}{SUFFIX}"
    data = parse_json(content, path, "metadata", _REMEDY)
    check_types(data, _KEYS, str(path), _REMEDY)
    corners = data["coordinates"]
    check_types(corners, _CORNERS, f"{path}: coordinates", _REMEDY)
    tile = _TILE.search(data["tile_source"])
    if not tile:
        raise _fault(path, "tile_source", data["tile_source"], "no product name with a tile")
    x, y = _check_corners(path, corners)
    # the last authority of the WKT is the projection's own
    codes = _EPSG.findall(data["projection"])
    epsg = int(codes[-1]) if codes else None
    if epsg != _UTM_NORTH + int(tile[2]):
        raise _fault(path, "projection", f"EPSG:{epsg}", f"not that of tile {tile[1]}")
    return {
        "labels": data["labels"],
        "tile": tile[1],
        "tile_source": data["tile_source"],
        "date": _check_date(path, data["acquisition_date"]),
        "x": x,
        "y": y,
        "epsg": epsg,
    }


def _check_corners(path: Path, corners: dict[str, float]) -> tuple[int, int]:
    for key in _CORNERS:
        if corners[key] != int(corners[key]):
            raise _fault(path, key, corners[key], "not a whole number of metres")
    x, y = int(corners["ulx"]), int(corners["uly"])
    if corners["lrx"] != x + PATCH_METRES or corners["lry"] != y - PATCH_METRES:
        raise _fault(path, "coordinates", corners, f"not the corners of a patch of {PATCH_METRES} m")
    return x, y


def _check_date(path: Path, date: str) -> str:
    """Day of an acquisition date, "2017-06-13"."""
    try:
        if not _DATE.fullmatch(date):
            raise ValueError
        datetime.fromisoformat(date)
    except ValueError:
        raise _fault(path, "acquisition_date", date, "not a date as 2017-06-13 10:10:31") from None
    return date[:10]


def _fault(path: Path, key: str, value: Any, problem: str) -> InputError:
    return InputError(f"{path}: {key} is {value!r:.80}, {problem}: {_REMEDY}")
