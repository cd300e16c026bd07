"""An opened cube: its labels, rows, statistics and arrays.

Every large dataset is contiguous, so that it can be read by memory map, without a parallel HDF5 library.
"""

import errno
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from bigearth.cube.layout import PLACE, partial_folder
from bigearth.cube.published import estimate_statistics, find_label_order
from bigearth.errors import InputError
from bigearth.outside import open_file
from bigearth.patch import BANDS_AT, DATA_SUPER, DATASET_OF, SPLITS


@dataclass(frozen=True)
class Cube:
    """An opened cube; see `open_cube`.

    Attributes
    ----------
    path : Path
    labels : tuple of str
        In the order of the columns of ``classes``.
    nomenclature : int
        43 or 19.
    rows : dict
        Split to a range of row numbers; rows are split-major.
    mean, std : dict
        Band to mean and standard deviation of the training rows, digital numbers.
    upsampling : str
        How `data_super` was made; "none" where there is none.
    source : str
        What the cube was made from.
    miniature : bool
        Whether that was a generated archive.
    attributes : dict
        Of the file.
    published : bool
        Whether this is the file of the paper's authors, without names, splits and attributes.
    """

    path: Path
    labels: tuple[str, ...]
    nomenclature: int
    rows: dict[str, range]
    mean: dict[str, float]
    std: dict[str, float]
    upsampling: str
    source: str
    miniature: bool
    attributes: dict[str, Any]
    published: bool = False

    def array(self, key: str) -> np.ndarray | h5py.Dataset:
        """Return a dataset, N x ..., read-only: memory-mapped where it is contiguous, else the h5py dataset."""
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

    def patches(self, split: str) -> np.ndarray:
        """Return the patch names of a split, in row order: array of str (row numbers where the file has no names)."""
        rows = self.rows[split]
        with h5py.File(self.path) as file:
            if "patch" not in file:
                return np.array([str(row) for row in rows])
            return np.array(file["patch"].asstr()[rows.start : rows.stop], dtype=str)

    def places(self, split: str) -> pd.DataFrame | None:
        """Return where and when the patches of a split were taken, in row order.

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
    def classes(self) -> np.ndarray:
        """Binarised labels, N x C, uint8."""
        with h5py.File(self.path) as file:
            return file["classes"][:].astype(np.uint8, copy=False)


def open_cube(path: str | Path) -> Cube:
    """Open a cube, or the file that the paper's authors published (same keys, no patch names, no splits).

    In the authors' file every row counts as training, mean and standard deviation come from a sample of its rows, and
    the order of its label columns from their frequencies (`published`).

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Cube

    Raises
    ------
    InputError
        The file is missing, incomplete, open for writing elsewhere, or not a cube.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        try:
            return _read(path, file)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0].strip("'\"")
            raise InputError(
                f"cube {path} is not whole ({reason}): restore it, or give a file that notebook 02 wrote"
            ) from None


def open_hdf5(path: Path) -> h5py.File:
    """Open a cube's file for reading.

    Raises
    ------
    InputError
        The file is missing or being written, open for writing elsewhere, or no HDF5.
    """
    if not path.exists() and not path.is_symlink():
        if partial_folder(path).is_dir():
            raise InputError(f"cube {path} is incomplete: its writing was interrupted, run notebook 02 again to resume")
        raise InputError(f"cube {path} is missing: run notebook 02 first")
    open_file(path, "cube").close()
    try:
        return h5py.File(path, "r")
    except BlockingIOError:
        raise InputError(
            f"cube {path} is open for writing in another program, such as a notebook that was left open: close it there"
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise InputError(
                f"cube {path}: its file system has no file locks: set HDF5_USE_FILE_LOCKING=FALSE in the environment"
            ) from None
        raise InputError(
            f"cube {path} is not a readable HDF5 file ({error}): restore it, or give a file that notebook 02 wrote"
        ) from None


def _read(path: Path, file: h5py.File) -> Cube:
    missing = {*DATASET_OF.values(), "classes"}.difference(file.keys())
    if missing:
        raise InputError(f"cube {path} has no dataset {min(missing)}: give a file that notebook 02 wrote")
    _check_rows(file)
    if "split" not in file and "patch" not in file:
        return _read_published(path, file)
    for key in ("patch", "split"):
        if key not in file:
            raise InputError(f"cube {path} has no dataset {key}: restore it, or give a file that notebook 02 wrote")
    attributes = {name: _to_plain(value) for name, value in file.attrs.items()}
    if attributes.get("complete") is not True:
        raise InputError(f"cube {path} is incomplete: run notebook 02 again, and use the file that it names")

    bounds = np.searchsorted(file["split"][:], range(len(SPLITS) + 1))
    rows = {}
    for name, (first, last) in zip(SPLITS, pairwise(bounds.tolist()), strict=True):
        rows[name] = range(first, last)
    return Cube(
        path=path,
        labels=tuple(file["classes"].attrs["labels"]),
        nomenclature=file["classes"].shape[1],
        rows=rows,
        mean=_read_statistics(file, "mean"),
        std=_read_statistics(file, "std"),
        upsampling=attributes["upsampling"],
        source=attributes["source"],
        miniature=attributes["miniature"],
        attributes=attributes,
    )


def _check_rows(file: h5py.File) -> None:
    """Raise ValueError unless every dataset of the patches is there with one row for each."""
    n = len(file["classes"])
    known = {*DATASET_OF.values(), DATA_SUPER, "classes", "patch", "split", *PLACE}
    for key in known.intersection(file.keys()):
        dataset = file.get(key)  # None for a link that leads nowhere
        if not isinstance(dataset, h5py.Dataset):
            raise ValueError(f"{key} is no dataset")
        if key in ("patch", "split", *PLACE) and dataset.shape != (n,):
            raise ValueError(f"{key} has not one value for each of the {n} patches")


def _read_statistics(file: h5py.File, name: str) -> dict[str, float]:
    """Mean or standard deviation of every band."""
    statistics = {}
    for metres, bands in BANDS_AT.items():
        values = file[DATASET_OF[metres]].attrs[name]
        for band, value in zip(bands, values, strict=True):
            statistics[band] = float(value)
    return statistics


def _read_published(path: Path, file: h5py.File) -> Cube:
    n, classes = file["classes"].shape
    labels, reason = find_label_order(file["classes"][:], path)
    mean, std = estimate_statistics(file)
    return Cube(
        path=path,
        labels=labels,
        nomenclature=classes,
        rows={"train": range(n), "validation": range(n, n), "test": range(n, n)},
        mean=mean,
        std=std,
        upsampling="dsen2" if DATA_SUPER in file else "none",  # the paper's main route
        source=f"published file of the paper's authors, {reason}",
        miniature=False,
        attributes={},
        published=True,
    )


def _to_plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
