"""The cube: one HDF5 file of all patches. Its layout, how it is created and opened, and how it is verified.

Every large dataset is contiguous, so that any process can write rows into it at a known offset (see `cube_writing`) and
read them back by memory map, without a parallel HDF5 library.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth import labels as nomenclature
from bigearth.cube.layout import PLACE, partial
from bigearth.errors import InputError
from bigearth.patch import BANDS_AT, DATA_SUPER, DATASET_OF, SPLITS

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

    def places(self, split: str) -> pd.DataFrame | None:
        """Where and when the patches of a split were taken, in row order.

        Returns
        -------
        pandas.DataFrame or None
            x, y (upper left corner, m), epsg, date (datetime64). None where the file has no places: published ones, and
            cubes of earlier versions.
        """
        rows = self.rows[split]
        with h5py.File(self.path) as file:
            if not all(key in file for key in PLACE):
                return None
            places = pd.DataFrame({key: file[key][rows.start : rows.stop] for key in PLACE})
        places["date"] = places.date.to_numpy().astype("datetime64[D]").astype("datetime64[s]")
        return places

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
        missing = {*DATASET_OF.values(), "classes"}.difference(file)
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
                for metres, bands in BANDS_AT.items()
                for band, value in zip(bands, file[DATASET_OF[metres]].attrs[name], strict=True)
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


def _open_published(path, file, n, classes):
    keys = {metres: file[key] for metres, key in DATASET_OF.items()}
    step = max(1, n // _SAMPLE)
    mean, std = {}, {}
    for metres, bands in BANDS_AT.items():
        sample = keys[metres][::step].reshape(-1, len(bands)).astype(np.float64)
        mean |= dict(zip(bands, sample.mean(0).tolist(), strict=True))
        std |= dict(zip(bands, sample.std(0).tolist(), strict=True))
    return Cube(
        path=path,
        labels=nomenclature.label_names(classes),
        nomenclature=classes,
        rows={"train": range(n), "validation": range(n, n), "test": range(n, n)},
        mean=mean,
        std=std,
        upsampling="dsen2" if DATA_SUPER in file else "none",  # the paper's main route
        source="published file of the paper's authors",
        miniature=False,
        attributes={},
    )


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value
