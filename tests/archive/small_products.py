"""Small SAFE products with what the readers look at, and the table of their patches."""

import numpy as np
import pandas as pd
from osgeo import gdal, gdal_array, osr

from bigearth.patch import BANDS_AT, RESOLUTION

LEFT, TOP, EPSG = 399960, 5400000, 32633
TIME, TILE = "20170613T101031", "T33UUP"
SIZE = 3600  # m

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd"><n1:General_Info>
<{old}Product_Info><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<Datatake datatakeIdentifier="GS2A_{time}_010312_N02.05"/></{old}Product_Info>
<{old}Product_Image_Characteristics>{offsets}</{old}Product_Image_Characteristics>
</n1:General_Info></n1:Level-2A_User_Product>"""


def pixels(seed=0):
    rng = np.random.default_rng(seed)
    return {band: rng.integers(1, 12000, (SIZE // m, SIZE // m), dtype=np.uint16) for band, m in RESOLUTION.items()}


def write_band(path, array, metres, epsg=EPSG, left=LEFT):
    """Write a band: JPEG 2000 or, which is quicker, GeoTIFF, by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = gdal_array.OpenArray(array)
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    dataset.SetSpatialRef(reference)
    dataset.SetGeoTransform((left, metres, 0, TOP, 0, -metres))
    if path.suffix == ".tif":
        gdal.GetDriverByName("GTiff").CreateCopy(str(path), dataset)
        return
    options = ["REVERSIBLE=YES", "QUALITY=100", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]
    gdal.GetDriverByName("JP2OpenJPEG").CreateCopy(str(path), dataset, options=options)


def write_product(
    folder, bands, baseline="02.05", offset=None, older=False, tile=TILE, time=TIME, suffix="jp2", **place
):
    """A product with what the reader looks at, of compact naming or of the older one."""
    if older:
        product = folder / f"S2A_USER_PRD_MSIL2A_PDMC_20170613T200000_R022_V{time}_{time}.SAFE"
        granule, stem = f"S2A_USER_MSI_L2A_TL_SGS__{time}_A010312_{tile}_N02.05", "S2A_USER_MSI_L2A_TL_SGS_"
        metadata = product / f"S2A_USER_MTD_SAFL2A_PDMC_20170613T200000_R022_V{time}_{time}.xml"
    else:
        product = folder / f"S2A_MSIL2A_{time}_N{baseline.replace('.', '')}_R022_{tile}_20170613T101608.SAFE"
        granule, stem = f"L2A_{tile}_A010312_{time}", ""
        metadata = product / "MTD_MSIL2A.xml"
    for band, array in bands.items():
        metres = RESOLUTION[band]
        file = f"IMG_DATA/R{metres}m/{stem}{tile}_{time}_{band}_{metres}m.{suffix}"
        write_band(product / "GRANULE" / granule / file, array, metres, **place)
    items = "".join(f'<BOA_ADD_OFFSET band_id="{i}">{offset}</BOA_ADD_OFFSET>' for i in range(13) if offset is not None)
    offsets = f"<BOA_ADD_OFFSET_VALUES_LIST>{items}</BOA_ADD_OFFSET_VALUES_LIST>"
    text = METADATA.format(old="L2A_" if older else "", baseline=baseline, time=time, offsets=offsets if items else "")
    metadata.write_text(text)
    return product


def table(positions, tile=TILE, time=TIME):
    source = f"S2A_MSIL1C_{time}_N0205_R022_{tile}_20170613T101608.SAFE"
    rows = [(f"patch_{c}_{r}", LEFT + 1200 * c, TOP - 1200 * r, EPSG, source) for c, r in positions]
    return pd.DataFrame(rows, columns=["patch", "x", "y", "epsg", "tile_source"])


def window(bands, metres, column, row):
    n = 1200 // metres
    rows, columns = slice(row * n, (row + 1) * n), slice(column * n, (column + 1) * n)
    return np.stack([bands[band][rows, columns] for band in BANDS_AT[metres]], axis=-1)
