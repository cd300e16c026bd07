"""Names and XML metadata of the miniature's Sentinel-2 L2A products, as far as readers look at them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from osgeo import osr

from bigearth.miniature.places import Tile
from bigearth.miniature.rasters import spatial_reference
from bigearth.patch import BANDS_AT, QUANTIFICATION, RESOLUTION

# From processing baseline 04.00 on, products carry this offset: reflectance = (value + offset) / quantification.
OFFSET = -1000
OFFSET_SINCE = "04.00"
_ORBIT = "010312"
_ALL_BANDS = 13  # B10 has an offset too
_LATITUDE_LONGITUDE = 4326  # EPSG code
_PRODUCT_XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
<n1:General_Info><{old}Product_Info>
<PRODUCT_START_TIME>{time}</PRODUCT_START_TIME><PRODUCT_STOP_TIME>{time}</PRODUCT_STOP_TIME>
<PRODUCT_URI>{product}</PRODUCT_URI><PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL><PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE><GENERATION_TIME>{time}</GENERATION_TIME>
<Datatake datatakeIdentifier="G{mission}_{sensed}_{orbit}_N{baseline}">
<SPACECRAFT_NAME>Sentinel-{craft}</SPACECRAFT_NAME>
<DATATAKE_SENSING_START>{time}</DATATAKE_SENSING_START><SENSING_ORBIT_NUMBER>{relative}</SENSING_ORBIT_NUMBER></Datatake>
<Query_Options completeSingleTile="true"><PRODUCT_FORMAT>{form}</PRODUCT_FORMAT></Query_Options>
<{old}Product_Organisation><Granule_List>{granules}</Granule_List></{old}Product_Organisation>
</{old}Product_Info><{old}Product_Image_Characteristics>
<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">{scale}</BOA_QUANTIFICATION_VALUE>
</QUANTIFICATION_VALUES_LIST>{offsets}</{old}Product_Image_Characteristics></n1:General_Info>
<n1:Geometric_Info><Product_Footprint><Product_Footprint><Global_Footprint><EXT_POS_LIST>{outline}</EXT_POS_LIST>
</Global_Footprint></Product_Footprint></Product_Footprint></n1:Geometric_Info></n1:Level-2A_User_Product>
"""
_GRANULE_XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
<n1:General_Info><TILE_ID>{granule}</TILE_ID><SENSING_TIME>{time}</SENSING_TIME></n1:General_Info>
<n1:Geometric_Info><Tile_Geocoding metadataLevel="Brief"><HORIZONTAL_CS_NAME>{name}</HORIZONTAL_CS_NAME>
<HORIZONTAL_CS_CODE>EPSG:{epsg}</HORIZONTAL_CS_CODE>{grids}</Tile_Geocoding></n1:Geometric_Info></n1:Level-2A_Tile_ID>
"""
_GRID_XML = (
    '<Size resolution="{m}"><NROWS>{n}</NROWS><NCOLS>{n}</NCOLS></Size><Geoposition resolution="{m}"><ULX>{x}</ULX>'
    "<ULY>{y}</ULY><XDIM>{m}</XDIM><YDIM>-{m}</YDIM></Geoposition>"
)


@dataclass(frozen=True)
class Names:
    """Names of a product of one granule: its folder, its metadata file, the granule, and how image files begin."""

    product: str
    metadata: str
    granule: str
    stem: str


def name_product(tile: Tile, baseline: str, older: bool) -> Names:
    """Name a product and its parts, by the compact naming or by the one before December 2016."""
    if older:
        date = f"PDMC_{tile.sensed}_R{tile.orbit:03d}_V{tile.sensed}_{tile.sensed}"
        granule = f"{tile.mission}_USER_MSI_L2A_TL_SGS__{tile.sensed}_A{_ORBIT}_{tile.name}_N{baseline}"
        product = f"{tile.mission}_USER_PRD_MSIL2A_{date}.SAFE"
        return Names(product, f"{tile.mission}_USER_MTD_SAFL2A_{date}.xml", granule, granule.rsplit("_", 1)[0])
    short = baseline.replace(".", "")
    product = f"{tile.mission}_MSIL2A_{tile.sensed}_N{short}_R{tile.orbit:03d}_{tile.name}_{tile.sensed}.SAFE"
    granule = f"L2A_{tile.name}_A{_ORBIT}_{tile.sensed}"
    return Names(product, "MTD_MSIL2A.xml", granule, f"{tile.name}_{tile.sensed}")


def write_metadata(product: Path, names: Names, tile: Tile, baseline: str, older: bool, width: int) -> None:
    """Write the XML files of a product and of its granule.

    Parameters
    ----------
    product : Path
        Folder of the product, which holds the granule's folder.
    names : Names
    tile : Tile
    baseline : str
    older : bool
    width : int
        Of the tile, in m.
    """
    time = datetime.strptime(tile.sensed, "%Y%m%dT%H%M%S").strftime("%Y-%m-%dT%H:%M:%S.000Z")
    values = {
        "old": "L2A_" if older else "",
        "time": time,
        "product": names.product,
        "baseline": baseline,
        "mission": tile.mission,
        "craft": tile.mission[1:],
        "sensed": tile.sensed,
        "orbit": _ORBIT,
        "relative": tile.orbit,
        "form": "SAFE" if older else "SAFE_COMPACT",
        "granules": _list_images(names, older),
        "scale": QUANTIFICATION,
        "outline": _outline(tile, width),
        "offsets": _list_offsets() if baseline >= OFFSET_SINCE else "",
    }
    (product / names.metadata).write_text(_PRODUCT_XML.format(**values))

    grids = "".join(_GRID_XML.format(m=m, n=width // m, x=tile.x, y=tile.y) for m in BANDS_AT)
    reference = spatial_reference(tile.epsg).GetName().replace("WGS 84", "WGS84")
    text = _GRANULE_XML.format(granule=names.granule, time=time, name=reference, epsg=tile.epsg, grids=grids)
    file = f"{names.granule.replace('_MSI_', '_MTD_').rsplit('_', 1)[0]}.xml" if older else "MTD_TL.xml"
    (product / "GRANULE" / names.granule / file).write_text(text)


def _list_images(names: Names, older: bool) -> str:
    items = []
    for band, metres in RESOLUTION.items():
        image = f"{names.stem}_{band}_{metres}m"
        if older:
            items.append(f"<IMAGE_ID_2A>{image}</IMAGE_ID_2A>")
        else:
            items.append(f"<IMAGE_FILE>GRANULE/{names.granule}/IMG_DATA/R{metres}m/{image}</IMAGE_FILE>")
    element = "Granules" if older else "Granule"
    identifiers = f'granuleIdentifier="{names.granule}" datastripIdentifier="{names.granule}"'
    return f'<{element} {identifiers} imageFormat="JPEG2000">' + "".join(items) + f"</{element}>"


def _list_offsets() -> str:
    items = [f'<BOA_ADD_OFFSET band_id="{i}">{OFFSET}</BOA_ADD_OFFSET>' for i in range(_ALL_BANDS)]
    return "<BOA_ADD_OFFSET_VALUES_LIST>" + "".join(items) + "</BOA_ADD_OFFSET_VALUES_LIST>"


def _outline(tile: Tile, width: int) -> str:
    """Corners as latitude and longitude, closed."""
    turn = osr.CoordinateTransformation(spatial_reference(tile.epsg), spatial_reference(_LATITUDE_LONGITUDE))
    numbers = []
    for east, north in [(0, 0), (width, 0), (width, -width), (0, -width), (0, 0)]:
        numbers += turn.TransformPoint(tile.x + east, tile.y + north)[:2]
    return " ".join(f"{number:.8f}" for number in numbers)
