"""Patches cut out of Sentinel-2 L2A products instead of read from the archive.

A product is a SAFE folder of compact naming (``MTD_MSIL2A.xml``) or of the older one (``*_MTD_SAFL2A_*.xml``, possibly
with several granules). The band files of each granule are opened one by one: GDAL's SENTINEL2 driver, which gives the
same pixels, would merge the granules of an older product into one mosaic.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
from osgeo import gdal

from bigearth.errors import InputError
from bigearth.patch import BANDS


def products():
    """The 125 Sentinel-2 products behind BigEarthNet v1.0.

    Returns
    -------
    DataFrame [product, id, patches]
        Name of the L1C product, its id in the Copernicus Data Space, and how many of the 590,326 patches it holds.

    Notes
    -----
    The counts come from the official lists. A patch's name carries mission, time and position in the tile, but no tile.
    335,211 names belong to the only product of their datatake, 209,002 more stand with their tile in the metadata of
    v2.0. Where several tiles of one datatake have a patch at the same position, the archive shifted the time of all but
    the first by some seconds, so that a position has as many names as tiles: 45,365 follow from this and from where the
    same tile has patches on other dates. The last 748 went to the tile with the nearest known patch.
    """
    return pd.read_csv(files("bigearth.archive") / "products.csv")


gdal.UseExceptions()

_NAME = re.compile(r"(S2[A-D])_MSIL2A_(\d{8}T\d{6})_")
_DATATAKE = re.compile(r"G(S2[A-D])_(\d{8}T\d{6})_")
_TILE = re.compile(r"_(T\d\d[A-Z]{3})(?:_|$)")
_BAND_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")


@dataclass(frozen=True)
class Tile:
    """One granule of a product: its name, processing baseline, and radiometric offset {band: digital numbers}."""

    product: str
    baseline: str
    offset: dict
    granule: Path


def find_tiles(folder):
    """The tiles of all products in a folder.

    Parameters
    ----------
    folder : Path or str
        Holds ``*.SAFE`` folders.

    Returns
    -------
    dict
        (mission, sensing time, tile id), such as ``("S2A", "20170613T101031", "T33UUP")``, to `Tile`.

    Raises
    ------
    InputError
        No product; one without readable metadata; two of the same tile and time.
    """
    folder = Path(folder)
    # eodag puts a product into a folder of its own
    products = sorted(path for path in (*folder.glob("*.SAFE"), *folder.glob("*/*.SAFE")) if path.is_dir())
    if not products:
        raise InputError(f"tiles {folder} holds no *.SAFE folder: give the folder of unpacked Sentinel-2 L2A products")
    found = {}
    for product in products:
        for key, tile in read_product(product).items():
            if key in found:
                raise InputError(
                    f"{folder}: {found[key].product} and {tile.product} hold tile {key[2]} of {key[1]}: keep one"
                )
            found[key] = tile
    return found


def read_product(product: Path) -> dict[tuple[str, str, str], Tile]:
    """The tiles of one product; keys and errors as `find_tiles`."""
    metadata = [*product.glob("MTD_MSIL2A.xml"), *product.glob("*_MTD_SAFL2A_*.xml")]
    if not metadata:
        raise InputError(f"{product} has no MTD_MSIL2A.xml: fetch the L2A product again, or remove it")
    try:
        root = ElementTree.parse(metadata[0]).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise InputError(f"{metadata[0]} is not XML ({error}): fetch the product again") from None
    datatake = next(root.iter("Datatake"), None)
    identifier = "" if datatake is None else datatake.get("datatakeIdentifier", "")
    match = _DATATAKE.match(identifier) or _NAME.match(product.name)
    baseline = root.findtext(".//PROCESSING_BASELINE", "")
    if not match or not re.fullmatch(r"\d\d\.\d\d", baseline):
        raise InputError(f"{metadata[0]} lacks the datatake or the processing baseline: fetch the product again")
    offset = _offset(root, baseline, metadata[0])
    granules = {_TILE.search(path.name): path for path in sorted((product / "GRANULE").glob("*")) if path.is_dir()}
    found = {
        (*match.groups(), tile[1]): Tile(product.name, baseline, offset, path)
        for tile, path in granules.items()
        if tile
    }
    if not found:
        raise InputError(f"{product} has no granule: fetch the product again")
    return found


def _offset(root, baseline, path):
    values = {int(item.get("band_id")): int(float(item.text)) for item in root.iter("BOA_ADD_OFFSET")}
    # 99.xx is Sen2Cor run by a user, of any year: there the metadata alone says
    if not values and (baseline < "04.00" or baseline.startswith("99.")):
        return dict.fromkeys(BANDS, 0)
    offset = {_BAND_IDS[i]: value for i, value in values.items() if i < len(_BAND_IDS)}
    lacking = [band for band in BANDS if band not in offset]
    if lacking:
        raise InputError(f"{path} (baseline {baseline}) has no BOA_ADD_OFFSET of {lacking[0]}: fetch the product again")
    return {band: offset[band] for band in BANDS}
