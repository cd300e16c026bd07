"""The pixels of one patch of an archive."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bigearth.archive.folders import REMEDY, BandFiles
from bigearth.archive.geotiff import Place, read_band
from bigearth.archive.source import Archive, Bands
from bigearth.errors import InputError
from bigearth.patch import BANDS_AT, PIXELS
from bigearth.progress import track

_ON_DISK = BandFiles()


def read_patch(
    folder: str | Path,
    out: dict[int, np.ndarray] | None = None,
    place: Place | None = None,
    source: Bands = _ON_DISK,
) -> dict[int, np.ndarray]:
    """Read the twelve bands of one patch at their native resolution, every file checked.

    Parameters
    ----------
    folder : Path or str
        Holds ``<name>_B01.tif`` ... ``<name>_B12.tif``.
    out : dict, optional
        Arrays to fill, as returned.
    place : Place, optional
        Where the patch must lie; default: all bands at one place, wherever it is.
    source : Bands, optional
        Reads the files: the archive, as `source.open_archive` returns it; default: from the disk.

    Returns
    -------
    dict
        ``{10: (120, 120, 4), 20: (60, 60, 6), 60: (20, 20, 2)}``, uint16 digital numbers.

    Raises
    ------
    InputError
        A band is missing, cannot be read to its end, has another size or type, holds no data, or lies elsewhere.
    """
    if out is None:
        out = {}
        for metres, bands in BANDS_AT.items():
            out[metres] = np.empty((PIXELS[metres], PIXELS[metres], len(bands)), np.uint16)
    folder = str(folder)
    prefix = f"{folder}/{os.path.basename(folder)}_"
    for metres, bands in BANDS_AT.items():
        array = out[metres]
        for i, band in enumerate(bands):
            path = f"{prefix}{band}.tif"
            array[..., i], found = read_band(path, PIXELS[metres], metres, source)
            if place is None:
                place = found
            elif found != place:
                raise InputError(f"{path} lies at {_describe(found)}, its patch at {_describe(place)}: {REMEDY}")
        if array.min() == 0:
            _check_data(array, bands, prefix)
    return out


def read_patches(archive: Archive, folders: Sequence[str]) -> list[dict[int, np.ndarray]]:
    """Read patches by their folders in the archive, in the order in which it gives them fastest.

    Returns
    -------
    list of dict
        As `read_patch` returns them, in the order of ``folders``.
    """
    order = archive.order(folders)
    read: dict[int, dict[int, np.ndarray]] = {}
    for i in track(range(len(folders)) if order is None else order.tolist(), "reading pixels", "patch"):
        read[i] = read_patch(archive.path / folders[i], source=archive)
    return [read[i] for i in range(len(folders))]


def _check_data(array: np.ndarray, bands: tuple[str, ...], prefix: str) -> None:
    for i, band in enumerate(bands):
        if not array[..., i].any():
            raise InputError(f"{prefix}{band}.tif holds no data, all its pixels are 0: {REMEDY}")


def _describe(place: Place) -> str:
    return f"x {place.x:.10g}, y {place.y:.10g}, EPSG:{place.epsg}"
