"""The pixels of a tile: its bands are opened and read window by window, the radiometric offset is removed."""

from pathlib import Path

import numpy as np
from osgeo import gdal

from bigearth.archive.products import Tile, list_files
from bigearth.errors import InputError
from bigearth.installation import check_projections
from bigearth.outside import open_file
from bigearth.patch import BANDS_10M, BANDS_AT, NODATA, SATURATED

gdal.UseExceptions()

# Drivers that may open a band file; a VRT of that name would lead elsewhere.
_DRIVERS = {".jp2": ["JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JP2Lura"], ".tif": ["GTiff"]}


def open_bands(tile: Tile) -> dict[int, list[gdal.Dataset]]:
    """Open the twelve band files of a tile.

    Returns
    -------
    dict
        {metres: list of gdal.Dataset}, all of one place and projection, each one band of uint16.

    Raises
    ------
    InputError
        A file is missing, there twice, unreadable, of another type, or of another place.
    """
    datasets: dict[int, list[gdal.Dataset]] = {}
    for metres, bands in BANDS_AT.items():
        datasets[metres] = []
        for band in bands:
            paths = list_files(tile.granule, f"IMG_DATA/R{metres}m/*_{band}_{metres}m.*")
            paths = [path for path in paths if path.suffix in _DRIVERS]
            if len(paths) != 1:
                raise InputError(
                    f"{tile.granule} has {len(paths)} files of {band} at {metres} m, not 1: fetch it again"
                )
            dataset = _open_band(paths[0])
            datasets[metres].append(dataset)
            if locate(dataset, metres) != locate(datasets[10][0], 10):
                raise InputError(
                    f"{paths[0]} covers another area than {BANDS_10M[0]}, or in other pixels: fetch it again"
                )
    return datasets


def read_window(
    tile: Tile, datasets: dict[int, list[gdal.Dataset]], metres: int, column: int, row: int, width: int, height: int
) -> np.ndarray:
    """Read the bands of one resolution in a window of a tile, and remove its radiometric offset.

    No data (0) stays 0, and saturated pixels (65535) stay 65535.

    Parameters
    ----------
    tile : Tile
    datasets : dict
        {metres: list of gdal.Dataset}, see `open_bands`.
    metres, column, row, width, height : int
        Resolution, and the window in pixels of it.

    Returns
    -------
    (height, width, bands) uint16 array, band after band in memory
    """
    out = np.empty((len(datasets[metres]), height, width), np.uint16)
    for i, dataset in enumerate(datasets[metres]):
        try:
            dataset.GetRasterBand(1).ReadAsArray(column, row, width, height, buf_obj=out[i])
        except RuntimeError:
            path = dataset.GetDescription()
            raise InputError(f"{path} is damaged near column {column}, row {row}: fetch it again") from None
    for band, array in zip(BANDS_AT[metres], out, strict=False):  # a benchmark reads the first bands only
        if tile.offset[band]:
            _remove_offset(array, tile.offset[band])
    return np.moveaxis(out, 0, -1)


def cache_bytes(dataset: gdal.Dataset, size: int) -> int:
    """Memory for the rows of blocks that windows of `size` lines touch at a time, bytes."""
    width, height = dataset.GetRasterBand(1).GetBlockSize()
    across = -(-dataset.RasterXSize // width) * width
    lines = (-(-(size - 1) // height) + 1) * height
    return 2 * across * lines + (1 << 20)


def _open_band(path: Path) -> gdal.Dataset:
    open_file(path, "band").close()  # GDAL would wait for a pipe
    try:
        dataset = gdal.OpenEx(str(path), gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR, _DRIVERS[path.suffix])
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0]}): fetch it again") from None
    kind = dataset.GetRasterBand(1).DataType if dataset.RasterCount == 1 else None
    if kind != gdal.GDT_UInt16:
        name = gdal.GetDataTypeName(dataset.GetRasterBand(1).DataType) if dataset.RasterCount else "nothing"
        raise InputError(f"{path} has {dataset.RasterCount} band(s) of {name}, not one of UInt16: fetch it again")
    return dataset


def _remove_offset(array: np.ndarray, offset: int) -> None:
    """Add an offset in place; values below 0 become 0, no data and saturated pixels stay."""
    special = (array == NODATA) | (array == SATURATED)
    kept = array[special]
    if offset < 0:
        np.maximum(array, -offset, out=array)
        array -= np.uint16(-offset)
    else:
        np.minimum(array, SATURATED - offset, out=array)
        array += np.uint16(offset)
    array[special] = kept


def locate(dataset: gdal.Dataset, metres: int) -> tuple | None:
    """EPSG code, upper left corner and extent in m; None where the pixels are not `metres` wide."""
    x, width, _, y, _, height = dataset.GetGeoTransform()
    if (width, height) != (metres, -metres):
        return None
    reference = dataset.GetSpatialRef()
    code = reference and reference.GetAuthorityCode(None)
    if not code:
        check_projections()
    epsg = int(code) if code else None
    return epsg, round(x), round(y), metres * dataset.RasterXSize, metres * dataset.RasterYSize
