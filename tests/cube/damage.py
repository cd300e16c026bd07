"""Damage to files of an archive."""

from pathlib import Path

from osgeo import gdal


def brighten(path: Path) -> None:
    """Add 1 to every pixel of a GeoTIFF, which stays at its place."""
    dataset = gdal.Open(str(path), gdal.GA_Update)
    band = dataset.GetRasterBand(1)
    band.WriteArray(band.ReadAsArray() + 1)
    dataset.FlushCache()
