"""Write the miniature landscape as Sentinel-2 L2A products (SAFE), from whose windows the archive's patches come."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from osgeo import gdal, gdal_array

from bigearth.errors import InputError
from bigearth.miniature.archive import miniature
from bigearth.miniature.places import Tile
from bigearth.miniature.product_metadata import OFFSET, OFFSET_SINCE, name_product, write_metadata
from bigearth.miniature.rasters import spatial_reference
from bigearth.miniature.scenes import Scene, render_scenes
from bigearth.outside import check_types, read_json
from bigearth.patch import BANDS, MINIATURE_MARKER, RESOLUTION

gdal.UseExceptions()

MAPPED_TILE = "T29UPU"  # mapped by default: it has sea, land and cloud
# Sentinel-2's own JPEG 2000 blocks, in pixels, by resolution in m.
_BLOCK = {10: 1024, 20: 640, 60: 192}
# Classes of the scene classification: vegetation stands for all that is clear.
_CLEAR, _CLOUD, _SNOW = 4, 9, 11


def write_products(
    folder: str | Path,
    archive: str | Path,
    baseline: str = "02.06",
    older: bool = False,
    tiles: list[str] | None = None,
    bands: Sequence[str] = BANDS,
    metres: int | None = None,
    driver: str = "JP2OpenJPEG",
    classification: bool = False,
) -> list[Path]:
    """Write the products that the patches of a miniature archive are cut from.

    Parameters
    ----------
    folder : str or Path
        Receives one ``*.SAFE`` folder per tile.
    archive : str or Path
        A miniature archive: the same landscape is rendered again, pixel for pixel.
    baseline : str
        Processing baseline; from "04.00" on values are 1000 higher and the metadata say so.
    older : bool
        The naming before December 2016.
    tiles : list of str, optional
        Only these, such as ``["T33UWP"]``.
    bands : sequence of str
        Only these, for benchmarks.
    metres : int, optional
        Width of a tile: the landscape is continued by its mirror image (109,800 is Sentinel-2's own).
    driver : "JP2OpenJPEG" or "GTiff"
        Reversible JPEG 2000, or uncompressed GeoTIFF in blocks, for benchmarks.
    classification : bool
        Also the scene classification at 20 m: cloud (with its shadow), snow, or clear.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        ``archive`` is no miniature.
    """
    marker = Path(archive) / MINIATURE_MARKER
    if not marker.is_file():
        raise InputError(
            f"{archive} is no miniature archive (no file {MINIATURE_MARKER}): products are written of those only"
        )
    made = read_json(marker, "marker")
    check_types(made, {"patches": int, "seed": int}, f"marker {marker}")
    products = []
    for scene in render_scenes(made["patches"], made["seed"], tiles):
        names = name_product(scene.tile, baseline, older)
        product = Path(folder) / names.product
        images = product / "GRANULE" / names.granule / "IMG_DATA"
        for band in bands:
            array = scene.bands[band]
            if baseline >= OFFSET_SINCE:
                array = array + np.uint16(-OFFSET)
            path = images / f"R{RESOLUTION[band]}m" / f"{names.stem}_{band}_{RESOLUTION[band]}m"
            _write_band(path, array, scene.tile, RESOLUTION[band], metres, driver)
        if classification:
            path = images / "R20m" / f"{names.stem}_SCL_20m"
            _write_band(path, _classify_cover(scene), scene.tile, 20, metres, driver)
        write_metadata(product, names, scene.tile, baseline, older, metres or 10 * len(scene.cover))
        products.append(product)
    return products


def write_miniature_tile(workdir: str | Path) -> Path:
    """Write one tile of the miniature archive of a working folder as a product; one that is there is kept.

    Returns
    -------
    Path
        ``<workdir>/tiles``, which holds the product.
    """
    folder = Path(workdir) / "tiles"
    if not folder.exists():
        _write_whole(folder, miniature(workdir), tiles=[MAPPED_TILE], classification=True)
    return folder


def find_products(tiles: str | Path, archive: str | Path) -> Path | str:
    """Find the folder that a notebook's parameter ``tiles`` means.

    Parameters
    ----------
    tiles : str or Path
        A path; or "miniature": the products that the patches of a generated archive are cut from, which are written
        beside it if they are not there yet; or empty: none.
    archive : str or Path
        Folder of the archive.

    Raises
    ------
    InputError
        "miniature" for an archive that was not generated.
    """
    if tiles != "miniature":
        return tiles
    archive = Path(archive)
    folder = archive.with_name(f"{archive.name}-tiles")
    if not folder.exists():
        _write_whole(folder, archive)
    return folder


def _write_whole(folder: Path, archive: Path, tiles: list[str] | None = None, classification: bool = False) -> None:
    """Write products of today's baseline into a folder that appears when all of them are whole."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        write_products(part, archive, baseline="05.00", tiles=tiles, classification=classification)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _classify_cover(scene: Scene) -> np.ndarray:
    """Scene classification of a tile at 20 m, uint8."""
    classes = np.full(scene.cover.shape, _CLEAR, np.uint8)
    classes[scene.snow] = _SNOW
    classes[scene.cloud] = _CLOUD
    return np.ascontiguousarray(classes[::2, ::2])


def _write_band(path: Path, array: np.ndarray, tile: Tile, size: int, metres: int | None, driver: str) -> None:
    """Write a band of pixels of `size` m, continued to a tile of `metres`; the driver decides the suffix."""
    if metres:
        array = np.pad(array, (0, metres // size - len(array)), mode="symmetric")
    path.parent.mkdir(parents=True, exist_ok=True)
    source = gdal_array.OpenArray(array)
    source.SetGeoTransform((tile.x, size, 0, tile.y, 0, -size))
    source.SetSpatialRef(spatial_reference(tile.epsg))
    if driver == "GTiff":
        suffix, options = "tif", ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512"]
    else:
        suffix, options = "jp2", ["REVERSIBLE=YES", "QUALITY=100", "YCBCR420=NO"]
        options += [f"BLOCKXSIZE={_BLOCK[size]}", f"BLOCKYSIZE={_BLOCK[size]}"]
    gdal.GetDriverByName(driver).CreateCopy(f"{path}.{suffix}", source, options=options)
