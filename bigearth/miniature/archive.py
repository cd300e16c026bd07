"""Write the miniature landscape as a BigEarthNet archive, file by file as the published ones."""

import json
import os
import shutil
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from osgeo import gdal, osr

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.installation import check_projections
from bigearth.labels import CLC_CODE, LABELS_43, to_19
from bigearth.miniature.scenes import scenes
from bigearth.patch import BANDS, MINIATURE_MARKER, PATCH_METRES, PIXELS, RESOLUTION

gdal.UseExceptions()

_CODES = np.array([CLC_CODE[label] for label in LABELS_43], np.uint16)
# The archive's WKT was written by an older PROJ, which spelt these axes out.
_DATUM_UNIT = 'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
_AXES = _DATUM_UNIT, _DATUM_UNIT + 'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],'
NOTE = "A generated landscape in the layout of BigEarthNet: for trying the study, not for science."
V2_COLUMNS = pa.schema(
    {
        "patch_id": pa.string(),
        "labels": pa.list_(pa.string()),
        "split": pa.string(),
        "country": pa.string(),
        "s1_name": pa.string(),
        "s2v1_name": pa.string(),
        "contains_seasonal_snow": pa.bool_(),
        "contains_cloud_or_shadow": pa.bool_(),
    }
)


def miniature(workdir):
    """The miniature archive of a working folder, written if it is not there yet.

    Parameters
    ----------
    workdir : str or Path

    Returns
    -------
    Path
        ``<workdir>/archive``.
    """
    return write_archive(Path(workdir) / "archive")


def find_archive(archive: str | Path, workdir: str | Path) -> Path:
    """Find the folder that a notebook's parameter ``archive`` means; "miniature" is written if it is not there yet."""
    if archive == "miniature":
        return miniature(resolve(workdir))
    return resolve(archive)


def write_archive(folder, patches=1000, seed=1, version=1):
    """Write a miniature archive; a complete one of the same parameters is left as it is.

    Parameters
    ----------
    folder : str or Path
        Written beside its place and renamed, so that an incomplete archive never carries this name.
    patches : int
        Number of patches (v2.0 has fewer: those without a label among the 19 are absent).
    seed : int
        Same seed, same bytes.
    version : int
        1 or 2: the layout of BigEarthNet v1.0 or v2.0.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder exists and is something else.
    """
    folder = Path(folder)
    made = {"note": NOTE, "patches": patches, "seed": seed, "version": version}
    if folder.exists():
        return _existing(folder, made)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        (_write_v1 if version == 1 else _write_v2)(part, patches, seed)
        (part / MINIATURE_MARKER).write_text(json.dumps(made, indent=1) + "\n")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _existing(folder, made):
    marker = folder / MINIATURE_MARKER
    if not marker.is_file() or json.loads(marker.read_text()) != made:
        raise InputError(f"{folder} exists and is another archive: remove it or choose another folder")
    return folder


def _write_v1(folder, patches, seed):
    rows = []
    for scene in scenes(patches, seed):
        for patch in scene.patches:
            name = f"{scene.tile.mission}_MSIL2A_{scene.tile.sensed}_{patch['col']}_{patch['row']}"
            labels = [LABELS_43[i] for i in patch["classes"]]
            (folder / name).mkdir()
            _write_bands(folder / name, name, scene, patch)
            (folder / name / f"{name}_labels_metadata.json").write_text(json.dumps(metadata(scene.tile, patch, labels)))
            rows.append((name, patch, to_19(labels)))
    lists = folder / "lists"
    (lists / "splits").mkdir(parents=True)
    _write_list(lists / "patches_with_seasonal_snow.csv", (n for n, p, _ in rows if p["snow"]))
    _write_list(lists / "patches_with_cloud_and_shadow.csv", (n for n, p, _ in rows if p["cloud"]))
    _write_list(lists / "patches_with_no_19_class_targets.csv", (n for n, _, labels in rows if not labels))
    for split in ("train", "val", "test"):
        names = (n for n, p, labels in rows if p["split"] == split and labels and not p["snow"] and not p["cloud"])
        _write_list(lists / "splits" / f"{split}.csv", names)


def _write_list(path, names):
    path.write_bytes("".join(f"{name}\r\n" for name in names).encode())


def _write_v2(folder, patches, seed):
    rows = []
    for scene in scenes(patches, seed):
        tile = scene.tile
        product = f"{tile.mission}_MSIL2A_{tile.sensed}_N9999_R{tile.orbit:03d}_{tile.name}"
        for patch in scene.patches:
            position = f"{patch['col']:02d}_{patch['row']:02d}"
            labels = to_19([LABELS_43[i] for i in patch["classes"]])
            if not labels:
                continue
            name = f"{product}_{position}"
            (folder / "BigEarthNet-S2" / product / name).mkdir(parents=True)
            _write_bands(folder / "BigEarthNet-S2" / product / name, name, scene, patch, nodata=0)
            (folder / "Reference_Maps" / product / name).mkdir(parents=True)
            window = _window(scene.cover, patch, 10)
            path = folder / "Reference_Maps" / product / name / f"{name}_reference_map.tif"
            codes = _CODES[window]
            write_tif(path, codes, *_corner(tile, patch), 10, tile.epsg, 0, ["COMPRESS=DEFLATE", "PREDICTOR=2"])
            rows.append(
                {
                    "patch_id": name,
                    "labels": labels,
                    "split": {"val": "validation"}.get(patch["split"], patch["split"]),
                    "country": tile.country,
                    "s1_name": f"S1A_IW_GRDH_1SDV_{tile.sensed}_{tile.name[1:]}_{patch['col']}_{patch['row']}",
                    "s2v1_name": f"{tile.mission}_MSIL2A_{tile.sensed}_{patch['col']}_{patch['row']}",
                    "contains_seasonal_snow": patch["snow"],
                    "contains_cloud_or_shadow": patch["cloud"],
                }
            )
    clear = [r for r in rows if not r["contains_seasonal_snow"] and not r["contains_cloud_or_shadow"]]
    rest = [r for r in rows if r not in clear]
    pq.write_table(pa.Table.from_pylist(clear, V2_COLUMNS), folder / "metadata.parquet")
    pq.write_table(
        pa.Table.from_pylist(rest, V2_COLUMNS), folder / "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
    )


def metadata(tile, patch, labels):
    """Content of a patch's JSON file, keys in the archive's order."""
    x, y = _corner(tile, patch)
    return {
        "labels": labels,
        "coordinates": {"ulx": x, "uly": y, "lrx": x + PATCH_METRES, "lry": y - PATCH_METRES},
        "projection": spatial_reference(tile.epsg).ExportToWkt().replace(*_AXES),
        "tile_source": f"{tile.mission}_MSIL1C_{tile.sensed}_N0206_R{tile.orbit:03d}_{tile.name}_{tile.sensed}.SAFE",
        "acquisition_date": str(datetime.strptime(tile.sensed, "%Y%m%dT%H%M%S")),
    }


def _corner(tile, patch):
    return tile.x + patch["col"] * PATCH_METRES, tile.y - patch["row"] * PATCH_METRES


def _window(array, patch, metres):
    size = PIXELS[metres]
    return array[patch["row"] * size : (patch["row"] + 1) * size, patch["col"] * size : (patch["col"] + 1) * size]


def _write_bands(folder, name, scene, patch, nodata=None):
    for band in BANDS:
        window = _window(scene.bands[band], patch, RESOLUTION[band])
        corner = _corner(scene.tile, patch)
        write_tif(folder / f"{name}_{band}.tif", window, *corner, RESOLUTION[band], scene.tile.epsg, nodata)


def write_tif(path, array, x, y, metres, epsg, nodata=None, options=()):
    """Write one band as a GeoTIFF; `x`, `y` are its upper-left corner in m."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), *array.shape[::-1], 1, gdal.GDT_UInt16, list(options))
    dataset.SetGeoTransform((x, metres, 0, y, 0, -metres))
    dataset.SetSpatialRef(spatial_reference(epsg))
    band = dataset.GetRasterBand(1)
    if nodata is not None:
        band.SetNoDataValue(nodata)
    band.WriteArray(array)


@lru_cache
def spatial_reference(epsg):
    """`osr.SpatialReference` of an EPSG code."""
    check_projections()
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return reference
