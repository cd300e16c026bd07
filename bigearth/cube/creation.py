"""A new cube without its pixels: layout, labels, names, places and named axes."""

import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth.cube.layout import (
    AXES,
    BANDS_OF,
    DESCRIPTIONS,
    SPLIT_TYPE,
    UNIT,
    combine_checksums,
    list_scales,
    pixel_shapes,
    write_places,
)
from bigearth.labels import binarise
from bigearth.patch import DATA_SUPER, SPLITS

# Datasets of a page and more begin at a page, as memory maps need it.
_PAGE_BYTES = 4096


def create(path: Path, rows: pd.DataFrame, labels: tuple[str, ...], upsampling: str, attributes: dict) -> None:
    """Write a cube without its pixels, marked incomplete. The same input gives the same bytes.

    Parameters
    ----------
    path : Path
        Overwritten.
    rows : pandas.DataFrame
        patch, labels, split, x, y, epsg and date of every row, split-major.
    labels : tuple of str
        Classes, in column order.
    upsampling : str
        "none", "bilinear" or "dsen2": whether `data_super` is part of the layout.
    attributes : dict
        Attributes of the file.
    """
    with h5py.File(path, "w", alignment_threshold=_PAGE_BYTES, alignment_interval=_PAGE_BYTES) as file:
        _reserve_pixels(file, len(rows), upsampling)
        _write_labels(file, rows, labels)
        _write_names(file, rows)
        write_places(file, rows)
        _name_axes(file, labels)
        for key in DESCRIPTIONS:
            file[key].attrs["checksum"] = combine_checksums([zlib.crc32(file[key][:].tobytes())])
        file.attrs.update(attributes | {"upsampling": upsampling, "complete": False})


def _reserve_pixels(file: h5py.File, n: int, upsampling: str) -> None:
    """Create the datasets of pixels: contiguous and allocated now, so that their offsets are known and never move."""
    for key, shape in pixel_shapes(n, upsampling).items():
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.CONTIGUOUS)
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        properties.set_obj_track_times(False)
        space = h5py.h5s.create_simple(shape)
        h5py.h5d.create(file.id, key.encode(), h5py.h5t.STD_U16LE, space, properties)
        file[key].attrs["unit"] = UNIT
        file[key].attrs["bands"] = BANDS_OF[key]


def _write_labels(file: h5py.File, rows: pd.DataFrame, labels: tuple[str, ...]) -> None:
    """Write the binarised labels, with the names of the columns and how often each occurs."""
    classes = binarise(rows.labels, labels)
    file["classes"] = classes
    file["classes"].attrs["labels"] = labels
    file["classes"].attrs["label_sums"] = classes.sum(0, dtype=np.int64)


def _write_names(file: h5py.File, rows: pd.DataFrame) -> None:
    """Write the patches' names and splits."""
    names = [name.encode() for name in rows.patch]
    file.create_dataset("patch", data=names, dtype=h5py.string_dtype("utf-8", max(map(len, names))))
    file["patch"].attrs["_Encoding"] = "utf-8"  # tells xarray that these are texts, not bytes
    codes = rows.split.map(SPLITS.index).to_numpy(np.uint8)
    file.create_dataset("split", data=codes, dtype=SPLIT_TYPE)


def _name_axes(file: h5py.File, labels: tuple[str, ...]) -> None:
    """Name the axes by HDF5 dimension scales, so that xarray shows patches, bands and labels by name."""
    upsampling = "any" if DATA_SUPER in file else "none"
    for name, values in list_scales(labels, upsampling).items():
        kind = h5py.string_dtype() if isinstance(values[0], str) else np.int32
        file.create_dataset(name, data=values, dtype=kind)
    for key in file:
        for axis, scale in enumerate(AXES.get(key, ())):
            if not file[scale].is_scale:
                file[scale].make_scale(scale)
            if scale != key:
                file[key].dims[axis].attach_scale(file[scale])
