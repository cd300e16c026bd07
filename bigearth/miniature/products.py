"""Write the miniature landscape as Sentinel-2 L2A products (SAFE), from whose windows the archive's patches come."""

import json
import os
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
from osgeo import gdal, gdal_array, osr

from bigearth.errors import InputError
from bigearth.miniature.archive import miniature, spatial_reference
from bigearth.miniature.scenes import scenes
from bigearth.patch import BANDS, BANDS_AT, MINIATURE_MARKER, QUANTIFICATION, RESOLUTION

gdal.UseExceptions()

# From processing baseline 04.00 on, products carry this offset: reflectance = (value + offset) / quantification.
OFFSET = -1000
_ORBIT = "010312"
MAPPED_TILE = "T29UPU"  # mapped by default: it has sea, land and cloud
# Sentinel-2's own JPEG 2000 blocks, in pixels, by resolution in m.
_BLOCK = {10: 1024, 20: 640, 60: 192}
# Classes of the scene classification: vegetation stands for all that is clear.
_CLEAR, _CLOUD, _SNOW = 4, 9, 11
_PRODUCT = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
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
_TILE = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
<n1:General_Info><TILE_ID>{granule}</TILE_ID><SENSING_TIME>{time}</SENSING_TIME></n1:General_Info>
<n1:Geometric_Info><Tile_Geocoding metadataLevel="Brief"><HORIZONTAL_CS_NAME>{name}</HORIZONTAL_CS_NAME>
<HORIZONTAL_CS_CODE>EPSG:{epsg}</HORIZONTAL_CS_CODE>{grids}</Tile_Geocoding></n1:Geometric_Info></n1:Level-2A_Tile_ID>
"""
_GRID = (
    '<Size resolution="{m}"><NROWS>{n}</NROWS><NCOLS>{n}</NCOLS></Size><Geoposition resolution="{m}"><ULX>{x}</ULX>'
    "<ULY>{y}</ULY><XDIM>{m}</XDIM><YDIM>-{m}</YDIM></Geoposition>"
)


def write_products(
    folder,
    archive,
    baseline="02.06",
    older=False,
    tiles=None,
    bands=BANDS,
    metres=None,
    driver="JP2OpenJPEG",
    classification=False,
):
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
    made = json.loads(marker.read_text())
    products = []
    for scene in scenes(made["patches"], made["seed"], tiles):
        name, granule, stem = _names(scene.tile, baseline, older)
        product = Path(folder) / name[0]
        for band in bands:
            size = RESOLUTION[band]
            array = scene.bands[band]
            if metres:
                array = np.pad(array, (0, metres // size - len(array)), mode="symmetric")
            if baseline >= "04.00":
                array = array + np.uint16(-OFFSET)
            place = product / "GRANULE" / granule / "IMG_DATA" / f"R{size}m"
            place.mkdir(parents=True, exist_ok=True)
            _write_band(place / f"{stem}_{band}_{size}m", array, scene.tile, size, driver)
        if classification:
            array = _classify_cover(scene)
            if metres:
                array = np.pad(array, (0, metres // 20 - len(array)), mode="symmetric")
            place = product / "GRANULE" / granule / "IMG_DATA" / "R20m"
            place.mkdir(parents=True, exist_ok=True)
            _write_band(place / f"{stem}_SCL_20m", array, scene.tile, 20, driver)
        width = metres or 10 * len(scene.cover)
        _write_metadata(product, name[1], granule, stem, scene.tile, baseline, older, width)
        products.append(product)
    return products


def _classify_cover(scene):
    """Scene classification of a tile at 20 m, uint8."""
    classes = np.full(scene.cover.shape, _CLEAR, np.uint8)
    classes[scene.snow] = _SNOW
    classes[scene.cloud] = _CLOUD
    return np.ascontiguousarray(classes[::2, ::2])


def write_miniature_tile(workdir):
    """Write one tile of the miniature archive of a working folder as a product; one that is there is kept.

    Returns
    -------
    Path
        ``<workdir>/tiles``, which holds the product.
    """
    folder = Path(workdir) / "tiles"
    if not folder.exists():
        part = folder.with_name(f".tiles.{os.getpid()}.part")
        try:
            write_products(part, miniature(workdir), baseline="05.00", tiles=[MAPPED_TILE], classification=True)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _names(tile, baseline, older):
    """Product and its metadata file, granule, and what the image files' names begin with."""
    if older:
        date = f"PDMC_{tile.sensed}_R{tile.orbit:03d}_V{tile.sensed}_{tile.sensed}"
        granule = f"{tile.mission}_USER_MSI_L2A_TL_SGS__{tile.sensed}_A{_ORBIT}_{tile.name}_N{baseline}"
        names = f"{tile.mission}_USER_PRD_MSIL2A_{date}.SAFE", f"{tile.mission}_USER_MTD_SAFL2A_{date}.xml"
        return names, granule, granule.rsplit("_", 1)[0]
    short = baseline.replace(".", "")
    product = f"{tile.mission}_MSIL2A_{tile.sensed}_N{short}_R{tile.orbit:03d}_{tile.name}_{tile.sensed}.SAFE"
    return (product, "MTD_MSIL2A.xml"), f"L2A_{tile.name}_A{_ORBIT}_{tile.sensed}", f"{tile.name}_{tile.sensed}"


def _write_band(path, array, tile, metres, driver):
    source = gdal_array.OpenArray(array)
    source.SetGeoTransform((tile.x, metres, 0, tile.y, 0, -metres))
    source.SetSpatialRef(spatial_reference(tile.epsg))
    if driver == "GTiff":
        path, options = f"{path}.tif", ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512"]
    else:
        block = [f"BLOCKXSIZE={_BLOCK[metres]}", f"BLOCKYSIZE={_BLOCK[metres]}"]
        path, options = f"{path}.jp2", ["REVERSIBLE=YES", "QUALITY=100", "YCBCR420=NO", *block]
    gdal.GetDriverByName(driver).CreateCopy(str(path), source, options=options)


def _write_metadata(product, file, granule, stem, tile, baseline, older, width):
    time = datetime.strptime(tile.sensed, "%Y%m%dT%H%M%S").strftime("%Y-%m-%dT%H:%M:%S.000Z")
    images = [f"GRANULE/{granule}/IMG_DATA/R{m}m/{stem}_{band}_{m}m" for band, m in RESOLUTION.items()]
    if older:
        element, inner = "Granules", [f"<IMAGE_ID_2A>{Path(image).name}</IMAGE_ID_2A>" for image in images]
    else:
        element, inner = "Granule", [f"<IMAGE_FILE>{image}</IMAGE_FILE>" for image in images]
    granules = f'<{element} granuleIdentifier="{granule}" datastripIdentifier="{granule}" imageFormat="JPEG2000">'
    granules += "".join(inner) + f"</{element}>"
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{i}">{OFFSET}</BOA_ADD_OFFSET>' for i in range(13))
    values = {
        "old": "L2A_" if older else "",
        "time": time,
        "product": product.name,
        "baseline": baseline,
        "mission": tile.mission,
        "craft": tile.mission[1:],
        "sensed": tile.sensed,
        "orbit": _ORBIT,
        "relative": tile.orbit,
        "form": "SAFE" if older else "SAFE_COMPACT",
        "granules": granules,
        "scale": QUANTIFICATION,
        "outline": _outline(tile, width),
        "offsets": f"<BOA_ADD_OFFSET_VALUES_LIST>{offsets}</BOA_ADD_OFFSET_VALUES_LIST>" if baseline >= "04.00" else "",
    }
    (product / file).write_text(_PRODUCT.format(**values))
    grids = "".join(_GRID.format(m=m, n=width // m, x=tile.x, y=tile.y) for m in BANDS_AT)
    reference = spatial_reference(tile.epsg).GetName().replace("WGS 84", "WGS84")
    text = _TILE.format(granule=granule, time=time, name=reference, epsg=tile.epsg, grids=grids)
    named = f"{granule.replace('_MSI_', '_MTD_').rsplit('_', 1)[0]}.xml" if older else "MTD_TL.xml"
    (product / "GRANULE" / granule / named).write_text(text)


def _outline(tile, width):
    """Corners as latitude and longitude, closed."""
    turn = osr.CoordinateTransformation(spatial_reference(tile.epsg), spatial_reference(4326))
    corners = [(0, 0), (width, 0), (width, -width), (0, -width), (0, 0)]
    return " ".join(f"{v:.8f}" for dx, dy in corners for v in turn.TransformPoint(tile.x + dx, tile.y + dy)[:2])
