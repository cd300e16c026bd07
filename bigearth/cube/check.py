"""Verification of a cube: shapes, types, attributes, labels, names, places and checksums; rows against the archive."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from bigearth.archive.source import open_archive
from bigearth.archive.splitting import hash_names, split_at_random
from bigearth.cube.comparison import compare_with_archive
from bigearth.cube.layout import (
    ATTRIBUTES_CHECKSUM,
    AXES,
    BANDS_OF,
    DESCRIPTIONS,
    PLACE,
    UNIT,
    UPSAMPLINGS,
    checksum_attributes,
    checksum_rows,
    combine_checksums,
    list_scales,
    pixel_shapes,
)
from bigearth.cube.reading import Cube, open_cube, open_hdf5
from bigearth.cube.selection import RANDOM_SPLITS, order_salt
from bigearth.cube.statistics import count_special, describe_bands, no_special, no_sums, sum_bands
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.labels import label_names
from bigearth.outside import check_types
from bigearth.patch import DATASET_OF, SPLITS
from bigearth.progress import Progress

# Sentinel-2A was launched on this day.
FIRST_DAY = np.datetime64("2015-06-23")
# EPSG codes of UTM zones on WGS 84, without their last two digits: north and south.
UTM = (326, 327)
_ROWS_AT_ONCE = 256
_REMEDY = "the file is damaged or was changed after it was written: restore it, or write a cube to another path"
# Types of what a selection records.
_RECORD = {
    "archive_version": int,
    "patches": int,
    "exclude": dict[str, int],
    "nomenclature": int,
    "excluded": int,
    "without_label": int,
    "splits": str,
    "without_split": int,
    "train": int,
    "validation": int,
    "test": int,
    "rows": int,
    "labels": int,
    "seed": int,
}


def check(path: str | Path, archive: str | Path | None = None, workdir: str | Path | None = None) -> list[str]:
    """Verify a cube; every byte of it is read once.

    Parameters
    ----------
    path : Path or str
    archive : Path or str, optional
        Where the patches came from: a random sample of rows is compared with its files.
    workdir : Path or str, optional
        Holds the index of an archive that is a file; default: the cube's folder.

    Returns
    -------
    list of str
        One line for each thing that was found right, or that could not be looked at.

    Raises
    ------
    InputError
        The first thing that is wrong.
    """
    path = resolve(path)
    cube = open_cube(path)
    with open_hdf5(path) as file:
        n = len(file["classes"])
        found = [f"{path}: {n:,} patches, {len(cube.labels)} classes, {cube.source}"]
        try:
            found += _check_layout(cube, file)
            found += _check_labels(cube, file)
            if cube.published:
                found.append("no patch names, splits or checksums: nothing more to verify in a published file")
            else:
                found += _check_record(cube, file)
                found += _check_names(cube, file)
                found += _check_places(cube, file)
                found += _check_descriptions(cube, file)
                found += _check_pixels(cube, file)
                found += _check_other_attributes(cube, file)
        except KeyError as error:
            reason = str(error).strip("'\"")
            raise InputError(f"cube {path} lacks an attribute ({reason}): {_REMEDY}") from None
        except (ValueError, TypeError, AttributeError, RuntimeError, OSError) as error:
            raise InputError(f"cube {path} cannot be verified ({str(error).splitlines()[0]}): {_REMEDY}") from None
        if archive:
            source = open_archive(resolve(archive), workdir or resolve(path).parent)
            found += compare_with_archive(cube, file, source)
    return found


def _check_layout(cube: Cube, file: h5py.File) -> list[str]:
    """Shapes, types, units and bands of the pixels."""
    expected = pixel_shapes(len(file["classes"]), cube.upsampling)
    _require(cube, {key: file[key].shape for key in expected if key in file}, expected, "shapes")
    for key in expected:
        _require(cube, str(file[key].dtype.newbyteorder("=")), "uint16", f"type of {key}")
        if not cube.published:
            _require(cube, file[key].attrs["unit"], UNIT, f"unit of {key}")
            _require(cube, tuple(file[key].attrs["bands"]), BANDS_OF[key], f"bands of {key}")
    return ["shapes and types of the pixels are right"]


def _check_labels(cube: Cube, file: h5py.File) -> list[str]:
    classes = file["classes"][:]
    if classes.max() > 1 or not classes.any(1).all():
        raise InputError(f"cube {cube.path}: classes is not 0 and 1 with a label in every row: {_REMEDY}")
    counted = f"{classes.sum():,} labels, {classes.sum() / len(classes):.2f} per patch"
    if cube.published:
        return [counted]
    _require(cube, cube.labels, label_names(classes.shape[1]), "labels")
    _require(cube, classes.sum(0).tolist(), file["classes"].attrs["label_sums"].tolist(), "label sums")
    return [f"{counted}, as recorded, in the order of the nomenclature"]


def _check_record(cube: Cube, file: h5py.File) -> list[str]:
    """Attributes of the file: they must fit together, and the record of the selection."""
    attributes = cube.attributes
    try:
        record = json.loads(attributes["selection"])
    except (TypeError, ValueError):
        raise InputError(f"cube {cube.path}: attribute selection is not JSON: {_REMEDY}") from None
    check_types(record, _RECORD, f"cube {cube.path}, attribute selection", _REMEDY)
    counts = {
        "rows": len(file["classes"]),
        "labels": int(file["classes"][:].sum()),
        "nomenclature": cube.nomenclature,
        "seed": attributes["seed"],
    }
    _require(cube, {name: record[name] for name in counts}, counts, "counts of the selection")
    left = record["patches"] - record["excluded"] - record["without_label"] - record["without_split"]
    _require(cube, left, record["rows"], "patches that are left by the selection")
    source = f"{'miniature archive' if attributes['miniature'] else 'BigEarthNet'} v{record['archive_version']}.0"
    if "radiometry" in attributes:
        source = f"Sentinel-2 L2A products, patches of {source}"
    _require(cube, attributes["source"], source, "source")
    if cube.upsampling not in UPSAMPLINGS or type(attributes["miniature"]) is not bool:
        raise InputError(f"cube {cube.path}: attribute upsampling or miniature has no known value: {_REMEDY}")
    _require(cube, "weights" in attributes, cube.upsampling == "dsen2", "whether weights of DSen2 are recorded")
    return [f"attributes fit together: seed {record['seed']}, splits {record['splits']}"]


def _check_names(cube: Cube, file: h5py.File) -> list[str]:
    """Names are unique, and rows are in the order that split, seed and name decide."""
    split, names = file["split"][:], pd.Series(file["patch"].asstr()[:])
    if (np.diff(split.astype(int)) < 0).any() or split.max() >= len(SPLITS):
        raise InputError(f"cube {cube.path}: rows are not in the order of splits: {_REMEDY}")
    if not names.is_unique:
        raise InputError(f"cube {cube.path}: patch names are not unique: {_REMEDY}")
    record = json.loads(cube.attributes["selection"])
    sizes = np.bincount(split, minlength=len(SPLITS)).tolist()
    counts = dict(zip(SPLITS, sizes, strict=True))
    _require(cube, counts, {name: record[name] for name in SPLITS}, "split sizes")
    order = np.lexsort((hash_names(names, order_salt(record["seed"])).to_numpy(), split))
    if not np.array_equal(order, np.arange(len(names))):
        raise InputError(f"cube {cube.path}: rows are not in the order of seed {record['seed']}: {_REMEDY}")
    if record["splits"] == RANDOM_SPLITS:
        drawn = split_at_random(names, record["seed"]).map(SPLITS.index).to_numpy()
        if not np.array_equal(drawn, split):
            raise InputError(f"cube {cube.path}: splits are not those of seed {record['seed']}: {_REMEDY}")
    return ["patch names are unique and in order; " + ", ".join(f"{name} {count:,}" for name, count in counts.items())]


def _check_places(cube: Cube, file: h5py.File) -> list[str]:
    """Units, plausible values, and the names of all axes."""
    missing = [key for key in PLACE if key not in file]
    if len(missing) == len(PLACE):
        return ["no places: the cube is of an earlier version"]
    if missing:
        raise InputError(f"cube {cube.path} has no dataset {missing[0]}, though it has others of {', '.join(PLACE)}")
    for key, attributes in PLACE.items():
        recorded = {name: file[key].attrs.get(name) for name in attributes}
        _require(cube, recorded, attributes, f"attributes of {key}")
    for key, scales in AXES.items():
        if key in file and key != "patch":
            _require(cube, _name_axes(file[key]), scales, f"axes of {key}")
    for name, values in list_scales(cube.labels, cube.upsampling).items():
        is_text = isinstance(values[0], str)
        found = file[name].asstr()[:] if is_text else file[name][:]
        _require(cube, found.tolist(), values, f"values of {name}")
    days, zones = file["date"][:].astype("datetime64[D]"), np.unique(file["epsg"][:])
    if days.min() < FIRST_DAY:
        raise InputError(f"cube {cube.path}: date {days.min()} is before Sentinel-2's launch, {FIRST_DAY}: {_REMEDY}")
    if not np.isin(zones // 100, UTM).all():
        raise InputError(f"cube {cube.path}: epsg {zones.min()} to {zones.max()} are not all UTM zones: {_REMEDY}")
    return [f"places in {len(zones)} UTM zone(s), {days.min()} to {days.max()}; axes have their names"]


def _check_descriptions(cube: Cube, file: h5py.File) -> list[str]:
    """Checksums of labels, names, splits and places."""
    found, recorded = {}, {}
    for key in DESCRIPTIONS:
        if key in file:
            found[key] = combine_checksums([zlib.crc32(file[key][:].tobytes())])
            recorded[key] = file[key].attrs["checksum"]
    _require(cube, found, recorded, "checksums")
    return []


def _check_pixels(cube: Cube, file: h5py.File) -> list[str]:
    """Checksums of the pixels, and statistics of the training rows."""
    training = len(cube.rows["train"])
    # a dataset's checksum is taken over those of so many rows at a time; earlier versions took whole slabs
    rows_each = int(cube.attributes.get("checksum_rows", cube.attributes.get("slab_rows", 0)))
    if rows_each < 1:
        raise KeyError("checksum_rows")
    keys = list(pixel_shapes(0, cube.upsampling))
    checksums: dict[str, list[int]] = {key: [] for key in keys}
    sums, special = no_sums(), no_special()
    for rows, arrays in _read_blocks(file, keys, rows_each * max(1, _ROWS_AT_ONCE // rows_each)):
        for key, array in arrays.items():
            checksums[key] += checksum_rows(array, rows_each).tolist()
        for metres, value in sum_bands(rows, arrays, training).items():
            sums[metres] += value
        for metres, value in count_special(arrays).items():
            special[metres] += value

    found = {key: combine_checksums(values) for key, values in checksums.items()}
    _require(cube, found, {key: file[key].attrs["checksum"] for key in keys}, "checksums")
    if training:
        for metres, (mean, std) in describe_bands(sums, training).items():
            recorded = [file[DATASET_OF[metres]].attrs[name].tolist() for name in ("mean", "std")]
            _require(cube, [mean, std], recorded, f"statistics of {DATASET_OF[metres]}")
    for metres, counts in special.items():
        attributes = file[DATASET_OF[metres]].attrs
        if "nodata_pixels" in attributes:  # earlier versions did not count
            recorded = [attributes[name].tolist() for name in ("nodata_pixels", "saturated_pixels")]
            _require(cube, counts.tolist(), recorded, f"counts of special pixels of {DATASET_OF[metres]}")
    return ["checksums and statistics are as recorded: " + ", ".join(f"{key} {found[key]}" for key in keys)]


def _check_other_attributes(cube: Cube, file: h5py.File) -> list[str]:
    """All attributes together, by their checksum."""
    if ATTRIBUTES_CHECKSUM not in cube.attributes:
        return ["no checksum of the attributes: the cube is of an earlier version"]
    _require(cube, checksum_attributes(file), cube.attributes[ATTRIBUTES_CHECKSUM], "checksum of the attributes")
    return []


def _read_blocks(
    file: h5py.File, keys: list[str], block_rows: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Read blocks of consecutive rows: row numbers, and dataset name to little-endian array."""
    n = len(file["classes"])
    with Progress("verifying", n, "patch") as progress:
        for first in range(0, n, block_rows):
            last = min(first + block_rows, n)
            yield np.arange(first, last), {key: file[key][first:last].astype("<u2", copy=False) for key in keys}
            progress.update(last - first)


def _name_axes(dataset: h5py.Dataset) -> tuple[str, ...]:
    names = []
    for dimension in dataset.dims:
        name = dimension[0].name if len(dimension) else None  # None: the scale was deleted
        names.append((name or "").strip("/"))
    return tuple(names)


def _require(cube: Cube, found: Any, expected: Any, what: str) -> None:
    if found != expected:
        raise InputError(f"cube {cube.path}: {what} are {found!s:.160}, expected {expected!s:.160}: {_REMEDY}")
