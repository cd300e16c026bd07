"""The metadata of BigEarthNet v2.0: its table of patches, and where they lie."""

import re

import numpy as np
import pandas as pd

from bigearth.errors import InputError
from bigearth.patch import PATCH_METRES

_NAME = re.compile(r"(S2[A-D]_MSIL2A_(\d{8})T.+_(T\d\d[A-Z]{3}))_(\d+)_(\d+)")


def read_metadata(path):
    """v2.0's ``metadata.parquet`` as an index (see `archive.read_index`), whether or not the patches are there."""
    table = pd.read_parquet(path).reset_index(drop=True)
    try:
        patch = table["patch_id"].tolist()
        parts = [_NAME.fullmatch(name) for name in patch]
        if None in parts:
            raise InputError(f"{path}: {patch[parts.index(None)]} is not a v2.0 patch name: restore the file")
        source, date, tile, column, row = zip(*(part.groups() for part in parts), strict=True)
        corners = {name: tile_corner(name) for name in set(tile)}
        epsg, x, y = np.array([corners[name] for name in tile]).T
        return pd.DataFrame(
            {
                "patch": patch,
                "folder": [f"BigEarthNet-S2/{folder}/{name}" for folder, name in zip(source, patch, strict=True)],
                "labels": [list(values) for values in table["labels"]],
                "split": table["split"].astype(object),
                "tile": tile,
                "tile_source": source,
                "country": table["country"],
                "date": pd.to_datetime(pd.Series(date)),
                "x": x + PATCH_METRES * np.array(column, int),
                "y": y - PATCH_METRES * np.array(row, int),
                "epsg": epsg,
                "snow": table["contains_seasonal_snow"].astype("boolean"),
                "cloud": table["contains_cloud_or_shadow"].astype("boolean"),
            }
        )
    except KeyError as error:
        raise InputError(f"{path} has no column {error}: restore it, it belongs to BigEarthNet v2.0") from None


def tile_corner(tile):
    """EPSG code and upper left corner (m) of a Sentinel-2 tile of the northern hemisphere, from its MGRS name."""
    zone, band, column, row = int(tile[1:3]), tile[3], tile[4], tile[5]
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    if band < "N":
        raise InputError(f"tile {tile} lies south of the equator, BigEarthNet's do not")
    east = letters.index(column) - 8 * ((zone - 1) % 3) + 1
    north = (letters.index(row) - 5 * ((zone + 1) % 2)) % 20
    # rows repeat every 2000 km; the latitude band says which: its southern edge is 8 degrees a letter from N
    south = (letters.index(band) - letters.index("N")) * 8 * 110.6 / 100
    while north + 1 < south:
        north += 20
    # tiles start on the 60 m grid, at or beyond the corner of their 100 km square
    return 32600 + zone, east * 100_000 // 60 * 60, -(-(north + 1) * 100_000 // 60) * 60
