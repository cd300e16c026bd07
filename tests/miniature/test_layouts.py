"""The layouts of v1.0 and v2.0: files, lists and tables as the published ones."""

import json
import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from osgeo import gdal

from bigearth.labels import CLC_CODE, LABELS_43, to_19
from bigearth.miniature.archive import write_archive
from bigearth.miniature.layouts import V2_COLUMNS, describe_patch
from bigearth.miniature.scenes import LABEL_SHARE, Patch
from bigearth.patch import BANDS, PIXELS, RESOLUTION


def lines(path):
    return path.read_text().split()


def test_a_patch_has_twelve_georeferenced_bands_and_its_json(tiny_archive):
    folders = [path for path in tiny_archive.iterdir() if path.name.startswith("S2")]
    assert len(folders) == 60
    for folder in folders[::7]:
        about = json.loads((folder / f"{folder.name}_labels_metadata.json").read_text())
        assert {path.name for path in folder.glob("*.tif")} == {f"{folder.name}_{band}.tif" for band in BANDS}
        assert 1 <= len(about["labels"]) <= 12 and set(about["labels"]) <= set(LABELS_43)
        for band, metres in RESOLUTION.items():
            dataset = gdal.Open(str(folder / f"{folder.name}_{band}.tif"))
            place = about["coordinates"]
            assert dataset.GetGeoTransform() == (place["ulx"], metres, 0, place["uly"], 0, -metres)
            assert dataset.RasterXSize == dataset.RasterYSize == PIXELS[metres] and dataset.RasterCount == 1
            assert dataset.GetRasterBand(1).DataType == gdal.GDT_UInt16
            assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") is None
            assert dataset.GetRasterBand(1).ReadAsArray().min() > 0


def test_the_lists_name_the_patches_once(tiny_archive):
    folders = {path.name for path in tiny_archive.iterdir() if path.name.startswith("S2")}
    lists = tiny_archive / "lists"
    splits = {split: lines(lists / "splits" / f"{split}.csv") for split in ("train", "val", "test")}
    left_out = lines(lists / "patches_with_seasonal_snow.csv") + lines(lists / "patches_with_cloud_and_shadow.csv")
    no_target = lines(lists / "patches_with_no_19_class_targets.csv")
    named = Counter(name for names in splits.values() for name in names)
    assert left_out and max(named.values()) == 1
    assert set(named) == folders - set(left_out) - set(no_target)
    assert len(splits["train"]) > len(splits["val"]) and all(splits.values())


def test_v2_has_its_tables_maps_and_folders(v2):
    table = pd.read_parquet(v2 / "metadata.parquet")
    assert pq.read_schema(v2 / "metadata.parquet").equals(V2_COLUMNS)
    assert set(table["split"]) <= {"train", "validation", "test"} and (table["labels"].map(len) > 0).all()
    rest = pd.read_parquet(v2 / "metadata_for_patches_with_snow_cloud_or_shadow.parquet")
    assert (rest["contains_seasonal_snow"] | rest["contains_cloud_or_shadow"]).all()
    folders = {path.name for path in (v2 / "BigEarthNet-S2").glob("*/*")}
    assert folders == {*table["patch_id"], *rest["patch_id"]}
    row = table.iloc[0]
    tile = row["patch_id"].rsplit("_", 2)[0]
    assert len(list((v2 / "BigEarthNet-S2" / tile / row["patch_id"]).glob("*.tif"))) == 12
    path = v2 / "Reference_Maps" / tile / row["patch_id"] / f"{row['patch_id']}_reference_map.tif"
    codes, counts = np.unique(gdal.Open(str(path)).ReadAsArray(), return_counts=True)
    names = {code: label for label, code in CLC_CODE.items()}
    present = [names[code] for code, count in zip(codes, counts, strict=True) if count >= LABEL_SHARE * 120**2]
    assert to_19(present) == list(row["labels"])


def test_both_layouts_hold_the_same_pixels(v2, tmp_path):
    v1 = write_archive(tmp_path / "v1", patches=24, seed=3)
    for row in pd.read_parquet(v2 / "metadata.parquet").itertuples():
        tile = row.patch_id.rsplit("_", 2)[0]
        new = gdal.Open(str(v2 / "BigEarthNet-S2" / tile / row.patch_id / f"{row.patch_id}_B08.tif"))
        old = gdal.Open(str(v1 / row.s2v1_name / f"{row.s2v1_name}_B08.tif"))
        assert new.GetGeoTransform() == old.GetGeoTransform()
        np.testing.assert_array_equal(new.ReadAsArray(), old.ReadAsArray())


def test_json_is_written_as_the_real_one(real_data):
    for path in (real_data / "BigEarthNet-v1.0").glob("*/*.json"):
        text = path.read_text()
        about = json.loads(text)
        mission, _, sensed, _, orbit, tile, _ = about["tile_source"].split("_")
        col, row = (int(number) for number in path.parent.name.split("_")[-2:])
        place = about["coordinates"]
        corner = {"x": place["ulx"] - 1200 * col, "y": place["uly"] + 1200 * row}
        epsg = 32600 + int(tile[1:3])
        like = SimpleNamespace(name=tile, epsg=epsg, mission=mission, sensed="20170613T101031", orbit=22, **corner)
        ours = describe_patch(like, Patch(col, row, np.array([]), False, False), about["labels"])
        for key, like in (("tile_source", r"S2[AB]_MSIL1C_\d{8}T\d{5,6}_N\d{4}_R\d{3}_T\w{5}_\d{8}T\d{6}\.SAFE"),
                          ("acquisition_date", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")):  # fmt: skip
            assert re.fullmatch(like, ours[key]) and re.fullmatch(like, about[key])
            about[key] = ours[key]
        assert json.dumps(ours) == json.dumps(about)


def test_v2_metadata_have_the_real_columns(real_data, v2):
    real = pq.read_schema(real_data / "BigEarthNet-v2" / "metadata.parquet")
    assert pq.read_schema(v2 / "metadata.parquet").equals(real)
