"""The cube: one HDF5 file of all patches. Its layout, how it is created and opened, and how it is verified.

Every large dataset is contiguous, so that any process can write rows into it at a known offset (see `cube_writing`) and
read them back by memory map, without a parallel HDF5 library.
"""

import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from bigearth import labels as nomenclature
from bigearth.errors import InputError
from bigearth.patch import BANDS, GROUPS, KEY, SIZE, SPLITS, SUPER

SPLIT_TYPE = h5py.enum_dtype({name: i for i, name in enumerate(SPLITS)}, basetype="u1")

SMALL = ("classes", "patch", "split")  # datasets that are complete from the beginning
UPSAMPLINGS = ("none", "bilinear", "dsen2")
_SAMPLE = 500  # rows that give the statistics of a file that has none


@dataclass(frozen=True)
class Cube:
    """An opened cube; see `open_cube`. Rows are split-major: ``rows["train"]`` is a range of row numbers."""

    path: Path
    labels: tuple
    nomenclature: int
    rows: dict
    mean: dict
    std: dict
    upsampling: str
    source: str
    miniature: bool
    attributes: dict

    def array(self, key):
        """A dataset, N x ..., read-only: memory-mapped where it is contiguous, else the h5py dataset."""
        file = h5py.File(self.path)
        if key not in file:
            raise InputError(f"cube {self.path} has no {key}: write it with another upsampling in notebook 02")
        dataset = file[key]
        offset = dataset.id.get_offset()
        if offset is None:
            return dataset
        array = np.memmap(self.path, dataset.dtype, "r", offset, dataset.shape)
        file.close()
        return array

    def patches(self, split):
        """Patch names of a split, in row order: array of str (row numbers where the file has no names)."""
        rows = self.rows[split]
        with h5py.File(self.path) as file:
            if "patch" not in file:
                return np.array([str(row) for row in rows])
            return np.array(file["patch"].asstr()[rows.start : rows.stop], dtype=str)

    @property
    def classes(self):
        """Binarised labels, N x C, uint8."""
        with h5py.File(self.path) as file:
            return file["classes"][:].astype(np.uint8, copy=False)


def open_cube(path):
    """Open a cube, or the file that the paper's authors published (same keys, no patch names, no splits).

    In the authors' file every row counts as training, and mean and standard deviation come from a sample of its rows.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    Cube

    Raises
    ------
    InputError
        The file is missing, incomplete, or not a cube.
    """
    path = Path(path)
    if not path.is_file():
        unfinished = partial(path).is_dir()
        remedy = (
            "its writing was interrupted, run notebook 02 again to resume" if unfinished else "run notebook 02 first"
        )
        raise InputError(f"cube {path} is {'incomplete' if unfinished else 'missing'}: {remedy}")
    try:
        file = h5py.File(path)
    except OSError as error:
        raise InputError(f"cube {path} is not a readable HDF5 file ({error}): write it with notebook 02") from None
    with file:
        missing = {*KEY.values(), "classes"}.difference(file)
        if missing:
            raise InputError(f"cube {path} has no dataset {min(missing)}: give a file that notebook 02 wrote")
        attributes = {name: _plain(value) for name, value in file.attrs.items()}
        n, classes = file["classes"].shape
        if "split" not in file:
            return _open_published(path, file, n, classes)
        if not attributes.get("complete"):
            raise InputError(f"cube {path} is incomplete: run notebook 02 again, and use the file that it names")
        bounds = np.searchsorted(file["split"][:], range(len(SPLITS) + 1))
        rows = {name: range(int(a), int(b)) for name, (a, b) in zip(SPLITS, pairwise(bounds), strict=True)}
        mean, std = (
            {
                band: float(value)
                for metres, bands in GROUPS.items()
                for band, value in zip(bands, file[KEY[metres]].attrs[name], strict=True)
            }
            for name in ("mean", "std")
        )
        return Cube(
            path=path,
            labels=tuple(file["classes"].attrs["labels"]),
            nomenclature=classes,
            rows=rows,
            mean=mean,
            std=std,
            upsampling=attributes["upsampling"],
            source=attributes["source"],
            miniature=attributes["miniature"],
            attributes=attributes,
        )


def partial(path):
    """Folder that holds a cube while it is written."""
    path = Path(path)
    return path.with_name(path.name + ".partial")


def layout(n, upsampling):
    """Shape of every dataset of pixels, for n patches; all are uint16."""
    shapes = {KEY[metres]: (n, SIZE[metres], SIZE[metres], len(bands)) for metres, bands in GROUPS.items()}
    return shapes if upsampling == "none" else shapes | {SUPER: (n, SIZE[10], SIZE[10], len(BANDS))}


def create(path, rows, labels, upsampling, attributes):
    """Write a cube without its pixels: layout, labels, names and splits, marked incomplete.

    Parameters
    ----------
    path : Path
        Overwritten.
    rows : pandas.DataFrame
        ``patch``, ``labels`` and ``split`` of every row, split-major.
    labels : tuple of str
        Classes, in column order.
    upsampling : str
        "none", "bilinear" or "dsen2": whether `data_super` is part of the layout.
    attributes : dict
        Attributes of the file.
    """
    classes = nomenclature.binarise(rows.labels, labels)
    # aligned to pages, for the memory maps
    with h5py.File(path, "w", alignment_threshold=4096, alignment_interval=4096) as file:
        for key, shape in layout(len(rows), upsampling).items():
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.CONTIGUOUS)
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            plist.set_obj_track_times(False)  # same input, same bytes
            space = h5py.h5s.create_simple(shape)
            h5py.h5d.create(file.id, key.encode(), h5py.h5t.STD_U16LE, space, plist)
            file[key].attrs["unit"] = "digital number (reflectance x 10000)"
        for metres, bands in GROUPS.items():
            file[KEY[metres]].attrs["bands"] = bands
        if upsampling != "none":
            file[SUPER].attrs["bands"] = BANDS
        file["classes"] = classes
        file["classes"].attrs["labels"] = labels
        file["classes"].attrs["label_sums"] = classes.sum(0, dtype=np.int64)
        names = [name.encode() for name in rows.patch]
        file.create_dataset("patch", data=names, dtype=h5py.string_dtype("utf-8", max(map(len, names))))
        codes = rows.split.map(SPLITS.index).to_numpy(np.uint8)
        file.create_dataset("split", data=codes, dtype=SPLIT_TYPE)
        for key in SMALL:
            file[key].attrs["checksum"] = checksum([zlib.crc32(file[key][:].tobytes())])
        file.attrs.update(attributes | {"upsampling": upsampling, "complete": False})


def checksum(pieces):
    """CRC-32 of the CRC-32s of a dataset's slabs, which many ranks can compute, each for its own slabs."""
    return f"{zlib.crc32(np.array(pieces, '<u4').tobytes()):08x}"


def _open_published(path, file, n, classes):
    keys = {metres: file[key] for metres, key in KEY.items()}
    step = max(1, n // _SAMPLE)
    mean, std = {}, {}
    for metres, bands in GROUPS.items():
        sample = keys[metres][::step].reshape(-1, len(bands)).astype(np.float64)
        mean |= dict(zip(bands, sample.mean(0).tolist(), strict=True))
        std |= dict(zip(bands, sample.std(0).tolist(), strict=True))
    return Cube(
        path=path,
        labels=nomenclature.labels(classes),
        nomenclature=classes,
        rows={"train": range(n), "validation": range(n, n), "test": range(n, n)},
        mean=mean,
        std=std,
        upsampling="dsen2" if SUPER in file else "none",  # the paper's main route
        source="published file of the paper's authors",
        miniature=False,
        attributes={},
    )


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value
