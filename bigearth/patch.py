"""What a BigEarthNet patch is: its twelve bands at three resolutions (level 2A has no B10), its size, its split."""

import re
from pathlib import Path

# Name of a patch of the archive, v1.0 or v2.0, and of its folder.
PATCH_NAME = re.compile(r"S2[AB]_MSIL2A_.+_\d+_\d+")

BANDS_10M = ("B02", "B03", "B04", "B08")
BANDS_20M = ("B05", "B06", "B07", "B8A", "B11", "B12")
BANDS_60M = ("B01", "B09")
BANDS_AT = {10: BANDS_10M, 20: BANDS_20M, 60: BANDS_60M}
RESOLUTION = {band: metres for metres, bands in BANDS_AT.items() for band in bands}

# Central wavelength of Sentinel-2A in nm, in wavelength order (ESA, Sentinel-2 Spectral Response Functions 3.0).
WAVELENGTH = {
    "B01": 442.7,
    "B02": 492.4,
    "B03": 559.8,
    "B04": 664.6,
    "B05": 704.1,
    "B06": 740.5,
    "B07": 782.8,
    "B08": 832.8,
    "B8A": 864.7,
    "B09": 945.1,
    "B11": 1613.7,
    "B12": 2202.4,
}
BANDS = tuple(WAVELENGTH)

# A patch is 1.2 km wide: pixels per side, and the cube's dataset, for each resolution in m.
PATCH_METRES = 1200
PIXELS = {metres: PATCH_METRES // metres for metres in BANDS_AT}
DATASET_OF = {metres: f"data_{metres}m" for metres in BANDS_AT}
# Digital number of reflectance 1; what Sentinel-2 writes where there is no data, and where the detector is saturated.
QUANTIFICATION = 10000
NODATA = 0
SATURATED = 65535

# The cube's dataset of all bands at 10 m.
DATA_SUPER = "data_super"

RGB = ("B04", "B03", "B02")
SPLITS = ("train", "validation", "test")
# A generated archive holds a file of this name.
MINIATURE_MARKER = "MINIATURE"
MINIATURE_PATCHES = 1000  # of "miniature"; "miniature-4000" has so many
_MINIATURE = re.compile(r"miniature(?:-(\d{1,6}))?")


def parse_miniature(archive: str | Path) -> tuple[str, int] | None:
    """Parse the parameter ``archive`` where it names a generated archive.

    Returns
    -------
    str, int
        Name of its folder in the scratch folder, and how many patches it has. None: the parameter is a path.
    """
    match = _MINIATURE.fullmatch(str(archive))
    if match is None:
        return None
    if match[1] is None:
        return "archive", MINIATURE_PATCHES
    return f"archive-{match[1]}", int(match[1])
