"""GeoTIFFs as the published archive has them, byte for byte."""

import struct

from osgeo import gdal

from bigearth.miniature.rasters import spatial_reference, write_tif


def tags(path):
    """Tag numbers and values of a TIFF, apart from where its strips begin."""
    data = path.read_bytes()
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    found = {}
    for i in range(count):
        tag, kind, number, value = struct.unpack_from("<HHII", data, start + 2 + 12 * i)
        letter, size = {2: ("s", 1), 3: ("H", 2), 4: ("I", 4), 12: ("d", 8)}[kind]
        at = value if number * size > 4 else start + 2 + 12 * i + 8
        form = f"<{number}s" if letter == "s" else f"<{number}{letter}"
        if tag != 273:  # where the strips begin
            found[tag] = struct.unpack_from(form, data, at)
    return found


def test_files_are_written_as_the_real_ones(real_data, tmp_path):
    """Pixels of the real files, written again: the same bytes (v1.0's 10 m bands: byte counts are wider integers)."""
    real = sorted((real_data / "BigEarthNet-v1.0").glob("*/*.tif"))
    real += sorted((real_data / "BigEarthNet-v2" / "BigEarthNet-S2").glob("*/*/*.tif"))
    assert real
    for path in real:
        dataset = gdal.Open(str(path))
        x, metres, _, y, _, _ = dataset.GetGeoTransform()
        epsg = int(dataset.GetSpatialRef().GetAuthorityCode(None))
        nodata = dataset.GetRasterBand(1).GetNoDataValue()
        write_tif(tmp_path / "again.tif", dataset.ReadAsArray(), x, y, metres, epsg, nodata)
        assert tags(tmp_path / "again.tif") == tags(path), path.name
        if metres > 10 or "BigEarthNet-v2" in str(path):
            assert (tmp_path / "again.tif").read_bytes() == path.read_bytes(), path.name


def test_projections_are_made_once():
    assert spatial_reference(32633) is spatial_reference(32633)
    assert spatial_reference(32633).GetAuthorityCode(None) == "32633"
