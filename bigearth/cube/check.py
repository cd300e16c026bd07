"""Is a cube what it says it is? Shapes, types, attributes, label sums, checksums, and rows against the archive."""

import json
import zlib
from pathlib import Path

import h5py
import numpy as np

from bigearth import labels as nomenclature
from bigearth.archive.index import JSON, archive_version
from bigearth.archive.metadata_v2 import read_metadata
from bigearth.archive.pixels import read_patch
from bigearth.cube.layout import AXES, PLACE, SMALL, checksum, layout
from bigearth.cube.reading import open_cube
from bigearth.cube.statistics import measure, statistics
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, SPLITS
from bigearth.upsampling.datasets import datasets

# Sentinel-2A was launched on this day.
FIRST_DAY = np.datetime64("2015-06-23")
# EPSG codes of UTM zones on WGS 84, without their last two digits: north and south.
UTM = (326, 327)
_SAMPLE = 200  # rows compared with the archive


def check(path, archive=None):
    """Verify a cube; every byte of it is read once.

    Parameters
    ----------
    path : Path or str
    archive : Path or str, optional
        Where the patches came from: a random sample of rows is compared with its files.

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
    with h5py.File(path) as file:
        n = len(file["classes"])
        found = [f"{path}: {n:,} patches, {len(cube.labels)} classes, {cube.source}"]
        expected = layout(n, cube.upsampling)
        shapes = {key: file[key].shape for key in expected if key in file}
        _same(path, shapes, expected, "shapes")
        _same(path, {key: str(file[key].dtype) for key in expected}, dict.fromkeys(expected, "uint16"), "types")
        found.append("shapes and types of the pixels are right")
        found += _check_labels(path, file)
        if "patch" not in file:
            return found + ["no patch names, splits or checksums: a published file, nothing more to compare"]
        try:
            found += _check_names(path, file)
            found += _check_places(path, file)
            found += _check_bands(path, file, expected)
            found += _check_bytes(path, file, cube, n)
        except KeyError as error:
            raise InputError(f"cube {path} lacks an attribute ({error}): write the cube again") from None
    if archive:
        found += _check_rows(path, cube, resolve(archive))
    return found


def _check_bands(path, file, keys):
    names = {DATASET_OF[metres]: bands for metres, bands in BANDS_AT.items()} | {DATA_SUPER: BANDS}
    _same(path, {key: tuple(file[key].attrs["bands"]) for key in keys}, {key: names[key] for key in keys}, "bands")
    known = nomenclature.label_names(file["classes"].shape[1])
    _same(path, tuple(file["classes"].attrs["labels"]), known, "labels")
    return ["bands and labels are in their order"]


def _check_labels(path, file):
    classes = file["classes"][:]
    if classes.max() > 1 or not classes.any(1).all():
        raise InputError(f"cube {path}: classes is not 0 and 1 with a label in every row: write the cube again")
    if "label_sums" in file["classes"].attrs:
        _same(path, classes.sum(0).tolist(), file["classes"].attrs["label_sums"].tolist(), "label sums")
    return [f"{classes.sum():,} labels, {classes.sum() / len(classes):.2f} a patch, as recorded"]


def _check_names(path, file):
    split, names = file["split"][:], file["patch"][:]
    if (np.diff(split.astype(int)) < 0).any() or split.max() >= len(SPLITS):
        raise InputError(f"cube {path}: rows are not in the order of splits: write the cube again")
    if len(np.unique(names)) < len(names):
        raise InputError(f"cube {path}: patch names are not unique: write the cube again")
    counts = dict(zip(SPLITS, np.bincount(split, minlength=len(SPLITS)).tolist(), strict=True))
    record = json.loads(file.attrs["selection"])
    _same(path, counts, {name: record[name] for name in SPLITS}, "split sizes")
    return ["patch names are unique; " + ", ".join(f"{name} {count:,}" for name, count in counts.items())]


def _check_places(path, file):
    """Units, plausible values, and the names of all axes."""
    missing = [key for key in PLACE if key not in file]
    if len(missing) == len(PLACE):
        return ["no places: the cube is of an earlier version"]
    if missing:
        raise InputError(f"cube {path} has no dataset {missing[0]}, though it has others of {', '.join(PLACE)}")
    for key, attributes in PLACE.items():
        found = {name: file[key].attrs.get(name) for name in attributes}
        _same(path, found, attributes, f"attributes of {key}")
    for key, scales in AXES.items():
        if key in file and key != "patch":
            _same(path, _axis_names(file[key]), scales, f"axes of {key}")
    days, zones = file["date"][:].astype("datetime64[D]"), np.unique(file["epsg"][:])
    if days.min() < FIRST_DAY:
        raise InputError(f"cube {path}: date {days.min()} is before Sentinel-2's launch, {FIRST_DAY}")
    if not np.isin(zones // 100, UTM).all():
        raise InputError(f"cube {path}: epsg {zones.min()} to {zones.max()} are not all UTM zones")
    return [f"places in {len(zones)} UTM zone(s), {days.min()} to {days.max()}; axes have their names"]


def _axis_names(dataset):
    names = []
    for dimension in dataset.dims:
        names.append(dimension[0].name.strip("/") if len(dimension) else "")
    return tuple(names)


def _check_bytes(path, file, cube, n):
    rows = int(file.attrs["slab_rows"])
    training = len(cube.rows["train"])
    small = {key: checksum([zlib.crc32(file[key][:].tobytes())]) for key in SMALL if key in file}
    _same(path, small, {key: file[key].attrs["checksum"] for key in small}, "checksums")
    slabs = [(first, min(first + rows, n)) for first in range(0, n, rows)]
    crc, sums = measure(path, slabs, training)
    _same(path, {k: checksum(v) for k, v in crc.items()}, {k: file[k].attrs["checksum"] for k in crc}, "checksums")
    for metres, (mean, std) in statistics([sums], training).items():
        recorded = [file[DATASET_OF[metres]].attrs[name].tolist() for name in ("mean", "std")]
        if training:
            _same(path, [mean, std], recorded, f"statistics of {DATASET_OF[metres]}")
    return ["checksums and statistics are as recorded: " + ", ".join(f"{k} {file[k].attrs['checksum']}" for k in crc)]


def _check_rows(path, cube, archive):
    version = archive_version(archive)
    if json.loads(cube.attributes["selection"])["archive_version"] != version:
        raise InputError(f"archive {archive} is v{version}.0, {path} was made from another: give that one")
    names = np.concatenate([cube.patches(split) for split in SPLITS])
    classes = cube.classes
    metadata = read_metadata(archive / "metadata.parquet").set_index("patch").labels if version == 2 else {}
    sample = np.random.default_rng().choice(len(names), min(_SAMPLE, len(names)), replace=False)
    for row in sorted(sample.tolist()):
        name = names[row]
        folder = archive / name if version == 1 else archive / "BigEarthNet-S2" / name.rsplit("_", 2)[0] / name
        labels = metadata[name] if version == 2 else json.loads((folder / f"{name}{JSON}").read_bytes())["labels"]
        labels = labels if version == 2 or cube.nomenclature == 43 else nomenclature.to_19(labels)
        if set(labels) != {cube.labels[i] for i in np.flatnonzero(classes[row])}:
            raise InputError(f"cube {path}: row {row} has not the labels of {name} in {archive}: write it again")
        native = {metres: array[None] for metres, array in read_patch(folder).items()}
        for key, expected in datasets(native, "none" if cube.upsampling == "dsen2" else cube.upsampling).items():
            if not np.array_equal(cube.array(key)[row], expected[0]):
                raise InputError(f"cube {path}: row {row} of {key} is not patch {name} of {archive}: write it again")
    return [f"{len(sample)} random rows have the pixels and labels of {Path(archive).name}"]


def _same(path, found, expected, what):
    if found != expected:
        raise InputError(f"cube {path}: {what} are {found}, expected {expected}: write the cube again")
