"""Sentinel-2 L2A products: the 125 behind the archive, and the tiles that a folder of products holds.

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

from bigearth.errors import InputError
from bigearth.outside import read_bytes
from bigearth.patch import BANDS, QUANTIFICATION

_NAME = re.compile(r"(S2[A-D])_MSIL2A_(\d{8}T\d{6})_")
_DATATAKE = re.compile(r"G(S2[A-D])_(\d{8}T\d{6})_")
_TILE_ID = re.compile(r"_(T\d\d[A-Z]{3})(?:_|$)")
_BAND_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
# macOS writes a file ._NAME beside every NAME, and unpacks them into this folder
_MACOS_FOLDER = "__MACOSX"


def list_paper_products() -> pd.DataFrame:
    """The 125 Sentinel-2 products behind BigEarthNet v1.0.

    Returns
    -------
    DataFrame [product, patches]
        Name of the L1C product, and how many of the 590,326 patches it holds.

    Notes
    -----
    The counts come from the official lists. A patch's name carries mission, time and position in the tile, but no tile.
    335,211 names belong to the only product of their datatake, 209,002 more stand with their tile in the metadata of
    v2.0. Where several tiles of one datatake have a patch at the same position, the archive shifted the time of all but
    the first by some seconds, so that a position has as many names as tiles: 45,365 follow from this and from where the
    same tile has patches on other dates. The last 748 went to the tile with the nearest known patch.
    """
    return pd.read_csv(files("bigearth.archive") / "products.csv")


@dataclass(frozen=True)
class Tile:
    """One granule of a product.

    Attributes
    ----------
    product : str
        Name of the product.
    baseline : str
        Processing baseline, such as "05.00".
    offset : dict
        Radiometric offset by band, digital numbers.
    granule : Path
        Folder of the granule.
    key : tuple of str
        Mission, sensing time and tile id, such as ``("S2A", "20170613T101031", "T33UUP")``. Several granules may share
        it: of products that were processed twice, or that complete each other.
    """

    product: str
    baseline: str
    offset: dict[str, int]
    granule: Path
    key: tuple[str, str, str] = ("", "", "")

    @property
    def name(self) -> str:
        """A name without blanks that no other granule of the folder has."""
        return "_".join(f"{self.product}-{self.granule.name}".split())


def find_tiles(folder: str | Path) -> list[Tile]:
    """Find the tiles of all products in a folder.

    Parameters
    ----------
    folder : Path or str
        Holds ``*.SAFE`` folders, or folders that hold them, as eodag and unzip leave them.

    Returns
    -------
    list of Tile
        By product name, then granule. A product that is there twice counts once.

    Raises
    ------
    InputError
        No product, or one without readable metadata.
    """
    folder = Path(folder)
    products: dict[str, Path] = {}
    for pattern in ("*.SAFE", "*/*.SAFE", "*/*/*.SAFE"):
        for path in sorted(folder.glob(pattern)):
            if _is_product(path, folder):
                products.setdefault(path.name, path)
    if not products:
        raise InputError(f"tiles {folder} holds no *.SAFE folder: give the folder of unpacked Sentinel-2 L2A products")
    tiles = []
    for name in sorted(products):
        tiles += read_product(products[name])
    return tiles


def read_product(product: Path) -> list[Tile]:
    """Read the metadata of one product: its tiles, by granule; errors as `find_tiles`."""
    metadata = _find_metadata(product)
    if not metadata:
        raise InputError(f"{product} has no MTD_MSIL2A.xml: fetch the L2A product again, or give another folder")
    root = _read_xml(metadata[0])
    datatake = next(root.iter("Datatake"), None)
    identifier = "" if datatake is None else datatake.get("datatakeIdentifier", "")
    match = _DATATAKE.match(identifier) or _NAME.match(product.name)
    baseline = root.findtext(".//PROCESSING_BASELINE", "")
    if not match or not re.fullmatch(r"\d\d\.\d\d", baseline):
        raise InputError(f"{metadata[0]} lacks the datatake or the processing baseline: fetch the product again")
    _check_quantification(root, metadata[0])
    offset = _read_offset(root, baseline, metadata[0])
    tiles = []
    for granule in list_files(product / "GRANULE", "*"):
        tile_id = _TILE_ID.search(granule.name)
        if granule.is_dir() and tile_id:
            tiles.append(Tile(product.name, baseline, offset, granule, (match[1], match[2], tile_id[1])))
    if not tiles:
        raise InputError(f"{product} has no granule: fetch the product again")
    return tiles


def list_files(folder: Path, pattern: str) -> list[Path]:
    """Paths that match a pattern, sorted, without those that macOS leaves beside them (``._B02.jp2``)."""
    return [path for path in sorted(folder.glob(pattern)) if not path.name.startswith("._")]


def _is_product(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    if _MACOS_FOLDER in parts or path.name.startswith("._") or not path.is_dir():
        return False
    # unzip makes X.SAFE/X.SAFE of X.SAFE.zip: there the inner folder is the product
    return bool(_find_metadata(path)) or not list_files(path, "*.SAFE")


def _find_metadata(product: Path) -> list[Path]:
    return list_files(product, "MTD_MSIL2A.xml") + list_files(product, "*_MTD_SAFL2A_*.xml")


def _read_xml(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(read_bytes(path, "metadata"))
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError, LookupError) as error:
        raise InputError(f"{path} is not XML ({error}): fetch the product again") from None


def _check_quantification(root: ElementTree.Element, path: Path) -> None:
    for item in root.iter("BOA_QUANTIFICATION_VALUE"):
        if _read_whole_number(item.text) != QUANTIFICATION:
            raise InputError(
                f"{path}: BOA_QUANTIFICATION_VALUE is {item.text}, a patch's values are for {QUANTIFICATION}: "
                f"fetch the product again"
            )


def _read_offset(root: ElementTree.Element, baseline: str, path: Path) -> dict[str, int]:
    """Read BOA_ADD_OFFSET of every band: digital numbers, between minus one reflectance and 0."""
    offset: dict[str, int] = {}
    for item in root.iter("BOA_ADD_OFFSET"):
        number, value = _read_whole_number(item.get("band_id")), _read_whole_number(item.text)
        if number is None or value is None or not -QUANTIFICATION <= value <= 0:
            raise InputError(
                f"{path}: BOA_ADD_OFFSET of band_id {item.get('band_id')} is {item.text}, not a whole number from "
                f"-{QUANTIFICATION} to 0: fetch the product again"
            )
        if not 0 <= number < len(_BAND_IDS):
            continue
        if offset.setdefault(_BAND_IDS[number], value) != value:
            raise InputError(f"{path} has two BOA_ADD_OFFSET of {_BAND_IDS[number]}: fetch the product again")
    # 99.xx is Sen2Cor run by a user, of any year: there the metadata alone says
    if not offset and (baseline < "04.00" or baseline.startswith("99.")):
        return dict.fromkeys(BANDS, 0)
    lacking = [band for band in BANDS if band not in offset]
    if lacking:
        raise InputError(f"{path} (baseline {baseline}) has no BOA_ADD_OFFSET of {lacking[0]}: fetch the product again")
    return {band: offset[band] for band in BANDS}


def _read_whole_number(text: str | None) -> int | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
