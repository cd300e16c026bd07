"""The files of a miniature archive, in the layouts of BigEarthNet v1.0 and v2.0."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bigearth.labels import CLC_CODE, LABELS_43, to_19
from bigearth.miniature.places import Tile
from bigearth.miniature.rasters import spatial_reference, write_tif
from bigearth.miniature.scenes import SPLIT_SHARES, Patch, Scene, render_scenes
from bigearth.patch import BANDS, PATCH_METRES, RESOLUTION

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
_CODES = np.array([CLC_CODE[label] for label in LABELS_43], np.uint16)
# The archive's WKT was written by an older PROJ, which spelt these axes out.
_DATUM_UNIT = 'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
_AXES = _DATUM_UNIT, _DATUM_UNIT + 'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],'


def write_v1(folder: Path, patches: int, seed: int) -> None:
    """Write the patches and lists of v1.0 into a folder."""
    written = []
    for scene in render_scenes(patches, seed):
        for patch in scene.patches:
            name = _name_v1(scene.tile, patch)
            labels = _name_labels(patch)
            (folder / name).mkdir()
            _write_bands(folder / name, scene, patch)
            about = json.dumps(describe_patch(scene.tile, patch, labels))
            (folder / name / f"{name}_labels_metadata.json").write_text(about)
            written.append((name, patch, bool(to_19(labels))))

    lists = folder / "lists"
    (lists / "splits").mkdir(parents=True)
    _write_list(lists / "patches_with_seasonal_snow.csv", (name for name, patch, _ in written if patch.snow))
    _write_list(lists / "patches_with_cloud_and_shadow.csv", (name for name, patch, _ in written if patch.cloud))
    without = (name for name, _, has_target in written if not has_target)
    _write_list(lists / "patches_with_no_19_class_targets.csv", without)
    clear = [(name, patch) for name, patch, has_target in written if has_target and not (patch.snow or patch.cloud)]
    for split in SPLIT_SHARES:
        _write_list(lists / "splits" / f"{split}.csv", (name for name, patch in clear if patch.split == split))


def write_v2(folder: Path, patches: int, seed: int) -> None:
    """Write the patches, reference maps and tables of v2.0 into a folder."""
    clear: list[dict[str, Any]] = []
    covered: list[dict[str, Any]] = []
    for scene in render_scenes(patches, seed):
        for patch in scene.patches:
            labels = to_19(_name_labels(patch))
            if not labels:
                continue
            row = _describe_v2_row(scene.tile, patch, labels)
            _write_v2_patch(folder, scene, patch, row["patch_id"])
            (covered if patch.snow or patch.cloud else clear).append(row)
    _write_table(folder / "metadata.parquet", clear)
    _write_table(folder / "metadata_for_patches_with_snow_cloud_or_shadow.parquet", covered)


def describe_patch(tile: Tile, patch: Patch, labels: list[str]) -> dict[str, Any]:
    """Describe a patch as v1.0's JSON does, keys in the archive's order."""
    x, y = tile.x + patch.col * PATCH_METRES, tile.y - patch.row * PATCH_METRES
    return {
        "labels": labels,
        "coordinates": {"ulx": x, "uly": y, "lrx": x + PATCH_METRES, "lry": y - PATCH_METRES},
        "projection": spatial_reference(tile.epsg).ExportToWkt().replace(*_AXES),
        "tile_source": f"{tile.mission}_MSIL1C_{tile.sensed}_N0206_R{tile.orbit:03d}_{tile.name}_{tile.sensed}.SAFE",
        "acquisition_date": str(datetime.strptime(tile.sensed, "%Y%m%dT%H%M%S")),
    }


def _name_labels(patch: Patch) -> list[str]:
    return [LABELS_43[i] for i in patch.classes]


def _name_v1(tile: Tile, patch: Patch) -> str:
    return f"{tile.mission}_MSIL2A_{tile.sensed}_{patch.col}_{patch.row}"


def _name_v2_product(tile: Tile) -> str:
    return f"{tile.mission}_MSIL2A_{tile.sensed}_N9999_R{tile.orbit:03d}_{tile.name}"


def _describe_v2_row(tile: Tile, patch: Patch, labels: list[str]) -> dict[str, Any]:
    return {
        "patch_id": f"{_name_v2_product(tile)}_{patch.col:02d}_{patch.row:02d}",
        "labels": labels,
        "split": "validation" if patch.split == "val" else patch.split,
        "country": tile.country,
        "s1_name": f"S1A_IW_GRDH_1SDV_{tile.sensed}_{tile.name[1:]}_{patch.col}_{patch.row}",
        "s2v1_name": _name_v1(tile, patch),
        "contains_seasonal_snow": patch.snow,
        "contains_cloud_or_shadow": patch.cloud,
    }


def _write_v2_patch(folder: Path, scene: Scene, patch: Patch, name: str) -> None:
    product = _name_v2_product(scene.tile)
    bands, maps = folder / "BigEarthNet-S2" / product / name, folder / "Reference_Maps" / product / name
    bands.mkdir(parents=True)
    _write_bands(bands, scene, patch, nodata=0)
    maps.mkdir(parents=True)
    codes = _CODES[scene.cut_cover(patch)]
    options = ["COMPRESS=DEFLATE", "PREDICTOR=2"]
    path = maps / f"{name}_reference_map.tif"
    write_tif(path, codes, *scene.corner_of(patch), 10, scene.tile.epsg, 0, options)


def _write_bands(folder: Path, scene: Scene, patch: Patch, nodata: int | None = None) -> None:
    x, y = scene.corner_of(patch)
    for band in BANDS:
        path = folder / f"{folder.name}_{band}.tif"
        write_tif(path, scene.cut_band(patch, band), x, y, RESOLUTION[band], scene.tile.epsg, nodata)


def _write_list(path: Path, names: Iterable[str]) -> None:
    path.write_bytes("".join(f"{name}\r\n" for name in names).encode())


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, V2_COLUMNS), path)
