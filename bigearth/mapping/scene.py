"""A scene to be mapped: a Sentinel-2 L2A product in any naming, or a folder of twelve GeoTIFFs, opened alike.

A folder of GeoTIFFs is given the names of a product by links in a working folder, so that the functions that cut
patches out of products read it too.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from osgeo import gdal, osr

from bigearth.archive import products, tile_pixels
from bigearth.archive.products import Tile
from bigearth.errors import InputError
from bigearth.installation import check_projections
from bigearth.mapping.grid import CELL_METRES
from bigearth.mapping.zipped import unpack_product
from bigearth.outside import open_file
from bigearth.patch import BANDS, QUANTIFICATION, RESOLUTION

gdal.UseExceptions()
osr.UseExceptions()

OFFSET_SINCE_0400 = -1000  # what every band of a product of baseline 04.00 or later carries
_BASELINE = re.compile(r"_N(\d{4})(?=_|$)")
_RASTERS = (".tif", ".tiff", ".jp2")


@dataclass(frozen=True)
class Place:
    """Place of a scene: its upper left corner in m, and its projection."""

    x: float
    y: float
    epsg: int

    def reference(self) -> osr.SpatialReference:
        """GDAL's description of the projection, with x (east) before y (north)."""
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(self.epsg)
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        return reference


@dataclass(frozen=True)
class Scene:
    """A scene of twelve bands: where its files and its mask are, where it lies, and its size in m."""

    name: str
    tile: Tile
    place: Place
    width: int
    height: int
    mask: Path | None
    mask_is_classification: bool  # else every value but 0 is masked

    def fingerprint(self) -> str:
        """SHA-256 of the bands' and the mask's files: a product that was fetched or made again under its name differs.

        Every byte counts (1 GB takes about a second): an uncompressed band keeps its size when pixels change.

        Raises
        ------
        InputError
            A file cannot be read.
        """
        paths = [] if self.mask is None else [self.mask]
        for group in tile_pixels.open_bands(self.tile).values():
            paths += [Path(dataset.GetDescription()) for dataset in group]
        digest = hashlib.sha256()
        for path in paths:
            try:
                with open_file(path, "band") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise InputError(f"{path} cannot be read ({error.strerror}): fetch it again") from None
        return digest.hexdigest()


def find_products(path: Path) -> list[Path]:
    """Find the products that a path names: itself, or those in the folder.

    Parameters
    ----------
    path : Path
        A SAFE folder, a .zip of one, a folder of twelve GeoTIFFs, or a folder that holds such.

    Returns
    -------
    list of Path
        In order of their names.

    Raises
    ------
    InputError
        The path is missing or holds no product.
    """
    if not path.exists():
        raise InputError(f"product {path} is missing: give a Sentinel-2 L2A product, or a folder of products")
    if _is_product(path):
        return [path]
    found = []
    if path.is_dir():
        inner = sorted(path.iterdir()) + sorted(path.glob("*/*.SAFE"))
        found = [item for item in inner if _is_product(item)]
    if not found:
        raise InputError(
            f"product {path} is not a product: give a Sentinel-2 L2A product (.SAFE folder, .zip), or a folder with "
            f"twelve GeoTIFFs {BANDS[0]}.tif ... {BANDS[-1]}.tif, or a folder of these"
        )
    return found


def _is_product(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if path.is_file():
        return path.suffix.lower() == ".zip"
    if not path.is_dir():
        return False  # a pipe, or a link that leads nowhere
    return path.suffix == ".SAFE" or _find_raster(path, BANDS[0]) is not None


def name_product(path: Path) -> str:
    """Name of a product without .SAFE and .zip."""
    name = path.name
    for suffix in (".zip", ".ZIP", ".SAFE"):
        name = name.removesuffix(suffix)
    return name


def open_scene(path: Path, folder: Path, offset: int | None = None) -> Scene:
    """Open a product and check it.

    Parameters
    ----------
    path : Path
        One of `find_products`.
    folder : Path
        Working folder: a .zip is unpacked into it, a folder of GeoTIFFs is linked there.
    offset : int, optional
        Radiometric offset of a folder of GeoTIFFs whose name has no processing baseline, in digital numbers.

    Raises
    ------
    InputError
        The product is of another level, projection or grid, incomplete, or damaged.
    """
    name = name_product(path)
    if "MSIL1C" in name or (path / "MTD_MSIL1C.xml").exists():
        raise InputError(f"product {path} is of level 1C: the networks were trained on level 2A, give the L2A product")
    if path.is_file():
        path = unpack_product(path, folder)
    if path.suffix == ".SAFE" or any(path.glob("*.SAFE")):
        tile = _open_product(path)
    else:
        tile = _link_folder(path, name, folder, offset)
    place, width, height = _locate(tile)
    mask, is_classification = _find_mask(path, tile)
    scene = Scene(name, tile, place, width, height, mask, is_classification)
    if mask is not None:
        _check_mask(mask, scene)
    return scene


def _open_product(path: Path) -> Tile:
    if (path / path.name).is_dir():  # unzipped into a folder of its own name
        path = path / path.name
    tiles = products.read_product(path)
    if len(tiles) > 1:
        names = ", ".join(sorted(tile.granule.name for tile in tiles))
        raise InputError(
            f"product {path} holds {len(tiles)} granules ({names}): a map is of one, move each into its own product"
        )
    return tiles[0]


def _find_raster(folder: Path, stem: str) -> Path | None:
    """The raster of a folder that is named ``<stem>.tif``, ``*_<stem>.tif`` or ``*_<stem>_10m.tif``.

    Of several resolutions of a band its own is taken.

    Raises
    ------
    InputError
        Several files have the name.
    """
    pattern = re.compile(rf"(?:.*_)?{stem}(?:_\d\dm)?")
    found = []
    for item in sorted(folder.iterdir()):
        hidden = item.name.startswith(".")
        if not hidden and item.suffix.lower() in _RASTERS and pattern.fullmatch(item.stem):
            found.append(item)
    native = [item for item in found if item.stem.endswith(f"_{RESOLUTION.get(stem, 20)}m")]
    if len(found) > 1 and len(native) == 1:
        return native[0]
    if len(found) > 1:
        raise InputError(
            f"product {folder} has {len(found)} files of {stem} ({found[0].name}, {found[1].name}): "
            f"give a folder with one of each band"
        )
    return found[0] if found else None


def _link_folder(path: Path, name: str, folder: Path, offset: int | None) -> Tile:
    """Give a folder of GeoTIFFs the names of a product's granule, by links."""
    match = _BASELINE.search(name)
    baseline = ""
    if match and match[1] != "9999":  # BigEarthNet v2.0 writes N9999 into the names of patches
        baseline = f"{match[1][:2]}.{match[1][2:]}"
    if offset is None:
        if not baseline:
            raise InputError(
                f"product {path} has no processing baseline in its name (_N0400_): set the parameter offset, 0 before "
                f"baseline 04.00 (January 2022), {OFFSET_SINCE_0400} from it on"
            )
        offset = OFFSET_SINCE_0400 if baseline >= "04.00" else 0
    if not -QUANTIFICATION <= offset <= 0:
        raise InputError(f"offset is {offset}: give a whole number from -{QUANTIFICATION} to 0")
    granule = folder / "granule"
    for band, metres in RESOLUTION.items():
        raster = _find_raster(path, band)
        if raster is None:
            raise InputError(f"product {path} has no {band}.tif: give a folder with all twelve bands")
        suffix = ".jp2" if raster.suffix.lower() == ".jp2" else ".tif"
        link = granule / f"IMG_DATA/R{metres}m/scene_{band}_{metres}m{suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        os.symlink(raster.resolve(), link)
    return Tile(name, baseline, dict.fromkeys(BANDS, offset), granule)


def _locate(tile: Tile) -> tuple[Place, int, int]:
    """Place and size in m of a tile whose bands have been checked to lie on each other."""
    first = tile_pixels.open_bands(tile)[10][0]
    path = os.path.realpath(first.GetDescription())
    reference = first.GetSpatialRef()
    epsg = reference and reference.GetAuthorityCode(None)
    if not epsg:
        check_projections()
    if not epsg or not reference.GetUTMZone():
        raise InputError(f"{path} is not in a UTM projection: warp it to its UTM zone (gdalwarp -t_srs), 10 m pixels")
    width, height = first.RasterXSize * 10, first.RasterYSize * 10
    if width % CELL_METRES or height % CELL_METRES:
        raise InputError(f"{path} covers {width} x {height} m: crop the scene to multiples of {CELL_METRES} m")
    left, _, _, top, _, _ = first.GetGeoTransform()
    return Place(left, top, int(epsg)), width, height


def _find_mask(path: Path, tile: Tile) -> tuple[Path | None, bool]:
    """The scene classification of a product or folder, else its cloud mask; and whether it is the former."""
    found = sorted(tile.granule.glob("IMG_DATA/R20m/*SCL*_20m.*")) + sorted(tile.granule.glob("IMG_DATA/*SCL*_20m.*"))
    for item in found:
        if item.suffix in _RASTERS and not item.name.startswith("."):
            return item, True
    if path.suffix != ".SAFE":
        for stem, is_classification in (("SCL", True), ("cloud_mask", False)):
            raster = _find_raster(path, stem)
            if raster is not None:
                return raster, is_classification
    return None, False


def _check_mask(path: Path, scene: Scene) -> None:
    open_file(path, "mask").close()  # GDAL would wait for a pipe
    try:
        dataset = gdal.Open(str(path))
    except RuntimeError as error:
        raise InputError(
            f"mask {path} cannot be read ({str(error).splitlines()[0]}): restore it, or move it elsewhere"
        ) from None
    left, metres, _, top, _, _ = dataset.GetGeoTransform()
    size = dataset.RasterXSize * metres, dataset.RasterYSize * metres
    same_corner = round(left) == round(scene.place.x) and round(top) == round(scene.place.y)
    if not same_corner or size != (scene.width, scene.height) or metres not in RESOLUTION.values():
        raise InputError(
            f"mask {path} covers another area than the bands, or in other pixels: restore it, or move it elsewhere"
        )
