"""The cube's datasets: names, shapes, types, axes, and where their bytes lie in the file."""

import math
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS, SPLITS

UPSAMPLINGS = ("none", "bilinear", "dsen2")
WHOLE_TILES = "whole tiles"  # attribute ``super_resolved``: not patch by patch
UNIT = "digital number (reflectance x 10000)"
PIXEL_DATASETS = (*DATASET_OF.values(), DATA_SUPER)
# Bands along the last axis of each dataset of pixels.
BANDS_OF = {DATASET_OF[metres]: bands for metres, bands in BANDS_AT.items()} | {DATA_SUPER: BANDS}
SPLIT_TYPE = h5py.enum_dtype({name: i for i, name in enumerate(SPLITS)}, basetype="u1")

# Where and when a patch was taken, dataset to its attributes; xarray reads these dates as dates.
PLACE = {
    "x": {"units": "m", "long_name": "upper left corner of the patch, east"},
    "y": {"units": "m", "long_name": "upper left corner of the patch, north"},
    "epsg": {"long_name": "EPSG code of the projection of x and y"},
    "date": {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "long_name": "day of acquisition"},
}
# Datasets of one line per row that are complete when a cube is created.
DESCRIPTIONS = ("classes", "patch", "split", *PLACE)

# Dimension scale that names each axis of a dataset.
AXES: dict[str, tuple[str, ...]] = {}
for _metres, _key in DATASET_OF.items():
    AXES[_key] = ("patch", f"y_{_metres}m", f"x_{_metres}m", f"band_{_metres}m")
AXES |= {DATA_SUPER: ("patch", "y_10m", "x_10m", "band"), "classes": ("patch", "label")}
AXES |= {key: ("patch",) for key in ("patch", "split", *PLACE)}

ATTRIBUTES_CHECKSUM = "attributes_checksum"
_ATTRIBUTES_NOT_SUMMED = {ATTRIBUTES_CHECKSUM, "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS"}


def partial_folder(cube: Path | str) -> Path:
    """Return the folder that holds a cube while it is written."""
    cube = Path(cube)
    return cube.with_name(cube.name + ".partial")


def pixel_shapes(n: int, upsampling: str) -> dict[str, tuple[int, int, int, int]]:
    """Return the shape of every dataset of pixels, for n patches; all are uint16."""
    shapes = {}
    for metres, key in DATASET_OF.items():
        shapes[key] = (n, PIXELS[metres], PIXELS[metres], len(BANDS_AT[metres]))
    if upsampling != "none":
        shapes[DATA_SUPER] = (n, PIXELS[10], PIXELS[10], len(BANDS))
    return shapes


def list_scales(labels: Sequence[str], upsampling: str) -> dict[str, list]:
    """Return the values of every dimension scale: names of labels and bands, and pixel centres.

    Parameters
    ----------
    labels : sequence of str
    upsampling : str
        "none" where there is no `data_super`.
    """
    scales: dict[str, list] = {"label": list(labels)}
    if upsampling != "none":
        scales["band"] = list(BANDS)
    for metres, bands in BANDS_AT.items():
        scales[f"band_{metres}m"] = list(bands)
        # pixel centres, in m east and south of the patch's corner
        centres = [metres // 2 + metres * pixel for pixel in range(PIXELS[metres])]
        scales[f"x_{metres}m"] = centres
        scales[f"y_{metres}m"] = centres
    return scales


def count_bytes(n: int, upsampling: str) -> int:
    """Return the bytes of the pixels of a cube of n patches."""
    return sum(2 * math.prod(shape) for shape in pixel_shapes(n, upsampling).values())


def find_offsets(path: Path) -> dict[str, tuple[int, int]]:
    """Return where each contiguous dataset of pixels begins in the file, and its bytes per row."""
    offsets = {}
    with h5py.File(path, "r") as file:
        for key in PIXEL_DATASETS:
            if key in file:
                row_bytes = math.prod(file[key].shape[1:]) * file[key].dtype.itemsize
                offsets[key] = (file[key].id.get_offset(), row_bytes)
    return offsets


def checksum_rows(array: np.ndarray, rows_each: int = 1) -> np.ndarray:
    """Return the CRC-32 of every row of an array, or of every ``rows_each`` rows: uint32."""
    array = np.ascontiguousarray(array)
    return np.array([zlib.crc32(array[i : i + rows_each].data) for i in range(0, len(array), rows_each)], np.uint32)


def combine_checksums(checksums: Iterable[int]) -> str:
    """Return the CRC-32 of CRC-32s: the checksum of a dataset, whose parts many ranks can compute."""
    return f"{zlib.crc32(np.array(list(checksums), '<u4').tobytes()):08x}"


def checksum_attributes(file: h5py.File) -> str:
    """Return the CRC-32 of all attributes of a cube but those that HDF5 itself keeps for the axes."""
    texts = []
    for owner in ("/", *sorted(file)):
        for name, value in sorted(file[owner].attrs.items()):
            if name not in _ATTRIBUTES_NOT_SUMMED:
                plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
                texts.append(f"{owner} {name} {plain!r}")
    joined = "\n".join(texts)
    return f"{zlib.crc32(joined.encode()):08x}"


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
