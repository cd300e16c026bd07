"""The cube's datasets: names, shapes, types, and where their bytes lie in the file."""

import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS, SPLITS


def offsets(path):
    """Offset in the file and bytes a row, of every dataset of pixels."""
    with h5py.File(path, "r") as file:
        return {
            key: (dataset.id.get_offset(), int(np.prod(dataset.shape[1:])) * dataset.dtype.itemsize)
            for key, dataset in file.items()
            if key in (*DATASET_OF.values(), DATA_SUPER)
        }


def bytes_needed(n, upsampling):
    """Bytes of the pixels of a cube of n patches."""
    return sum(2 * int(np.prod(shape)) for shape in layout(n, upsampling).values())


SPLIT_TYPE = h5py.enum_dtype({name: i for i, name in enumerate(SPLITS)}, basetype="u1")

# Where and when a patch was taken, dataset to its attributes; xarray reads these dates as dates.
PLACE = {
    "x": {"units": "m", "long_name": "upper left corner of the patch, east"},
    "y": {"units": "m", "long_name": "upper left corner of the patch, north"},
    "epsg": {"long_name": "EPSG code of the projection of x and y"},
    "date": {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "long_name": "day of acquisition"},
}

SMALL = ("classes", "patch", "split", *PLACE)  # datasets that are complete from the beginning

# Dimension scale that names each axis of a dataset.
AXES = {DATASET_OF[m]: ("patch", f"y_{m}m", f"x_{m}m", f"band_{m}m") for m in BANDS_AT}
AXES |= {DATA_SUPER: ("patch", "y_10m", "x_10m", "band"), "classes": ("patch", "label")}
AXES |= {key: ("patch",) for key in ("patch", "split", *PLACE)}
UPSAMPLINGS = ("none", "bilinear", "dsen2")


def partial(path):
    """Folder that holds a cube while it is written."""
    path = Path(path)
    return path.with_name(path.name + ".partial")


def layout(n, upsampling):
    """Shape of every dataset of pixels, for n patches; all are uint16."""
    shapes = {DATASET_OF[metres]: (n, PIXELS[metres], PIXELS[metres], len(bands)) for metres, bands in BANDS_AT.items()}
    return shapes if upsampling == "none" else shapes | {DATA_SUPER: (n, PIXELS[10], PIXELS[10], len(BANDS))}


def checksum(pieces):
    """CRC-32 of the CRC-32s of a dataset's slabs, which many ranks can compute, each for its own slabs."""
    return f"{zlib.crc32(np.array(pieces, '<u4').tobytes()):08x}"


def write_places(file: h5py.File, rows: pd.DataFrame) -> None:
    """Write where and when each patch was taken, as datasets x, y, epsg and date.

    Parameters
    ----------
    file : h5py.File
        A cube or a file of predictions, open for writing.
    rows : pandas.DataFrame
        x, y (upper left corner, m), epsg and date of every row.
    """
    for key in ("x", "y", "epsg"):
        file[key] = rows[key].to_numpy(np.int32)
    file["date"] = rows["date"].to_numpy("datetime64[D]").astype(np.int32)
    for key, attributes in PLACE.items():
        file[key].attrs.update(attributes)
