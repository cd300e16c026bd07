"""The metadata of BigEarthNet v2.0: its table of patches, and where they lie."""

import pandas as pd

from bigearth.errors import InputError
from bigearth.sentinel2 import PATCH_METRES


def read_metadata(path):
    """v2.0's ``metadata.parquet`` as an index (see `archive.read_index`), whether or not the patches are there."""
    table = pd.read_parquet(path)
    try:
        patch = table["patch_id"]
        parts = patch.str.extract(r"^(?P<tile_source>.+_(?P<tile>T\d\d[A-Z]{3}))_(?P<column>\d+)_(?P<row>\d+)$")
        unreadable = patch[parts.tile.isna()]
        if len(unreadable):
            raise InputError(f"{path}: {unreadable.iloc[0]} is not a v2.0 patch name: restore the file")
        corners = pd.DataFrame({tile: tile_corner(tile) for tile in parts.tile.unique()}, index=["epsg", "x", "y"]).T
        corners = corners.loc[parts.tile].reset_index(drop=True)
        return pd.DataFrame(
            {
                "patch": patch.astype(str),
                "folder": "BigEarthNet-S2/" + parts.tile_source + "/" + patch,
                "labels": [list(values) for values in table["labels"]],
                "split": table["split"].astype(object),
                "tile": parts.tile,
                "tile_source": parts.tile_source,
                "country": table["country"],
                "date": pd.to_datetime(parts.tile_source.str.extract(r"_(\d{8})T")[0]),
                "x": corners.x + PATCH_METRES * parts.column.astype(int),
                "y": corners.y - PATCH_METRES * parts.row.astype(int),
                "epsg": corners.epsg,
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
