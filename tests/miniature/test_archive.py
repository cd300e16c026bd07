"""The miniature archive: the layout of the real one, the same bytes for a seed, and a landscape that is physical."""

import hashlib
import json
import re
import struct
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from osgeo import gdal

from bigearth.errors import InputError
from bigearth.labels import CLC_CODE, LABELS_43, to_19
from bigearth.miniature import archive, rendering
from bigearth.miniature.archive import V2_COLUMNS, metadata, miniature, write_archive, write_tif
from bigearth.miniature.landscape import CODE
from bigearth.miniature.scenes import LABEL_SHARE, scenes
from bigearth.patch import BANDS, PIXELS, RESOLUTION


@pytest.fixture(scope="module")
def v2(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("v2") / "archive", patches=24, seed=3, version=2)


@pytest.fixture(scope="module")
def landscape():
    return list(scenes(60, 7))


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


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


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first, again, other = (
        write_archive(tmp_path / name, 12, seed) for name, seed in (("first", 3), ("again", 3), ("other", 4))
    )
    assert digests(first) == digests(again)
    assert digests(first).keys() != digests(other).keys() or digests(first) != digests(other)


def test_a_complete_archive_is_kept_and_a_failed_one_leaves_nothing(tmp_path, tiny_archive, monkeypatch):
    before = digests(tiny_archive)
    monkeypatch.setattr(archive, "scenes", lambda *_: 1 / 0)
    assert write_archive(tiny_archive, 60, 7) == tiny_archive and digests(tiny_archive) == before
    with pytest.raises(InputError, match="another archive"):
        write_archive(tiny_archive, 60, 8)
    (tmp_path / "archive").mkdir()
    with pytest.raises(InputError, match="archive exists"):
        miniature(tmp_path)
    with pytest.raises(ZeroDivisionError):
        write_archive(tmp_path / "new", 12)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_labels_are_the_classes_with_real_area(landscape):
    for scene in landscape:
        for patch in scene.patches:
            window = np.s_[patch["row"] * 120 : patch["row"] * 120 + 120, patch["col"] * 120 : patch["col"] * 120 + 120]
            share = np.bincount(scene.cover[window].ravel(), minlength=43) / 120**2
            assert set(patch["classes"]) == set(np.flatnonzero(share >= min(LABEL_SHARE, share.max())))


def test_every_class_has_eight_patches_and_is_in_every_split(monkeypatch):
    monkeypatch.setattr(rendering, "BANDS", ())  # labels, snow and cloud are the same without the pixels
    total, clear = Counter(), {split: Counter() for split in ("train", "val", "test")}
    sizes = []
    for scene in scenes(1000, 1):
        for patch in scene.patches:
            total.update(patch["classes"].tolist())
            sizes.append(len(patch["classes"]))
            if not patch["snow"] and not patch["cloud"]:
                clear[patch["split"]].update(patch["classes"].tolist())
    assert len(sizes) == 1000 and max(sizes) <= 12 and np.mean(np.array(sizes) <= 5) > 0.9
    assert len(total) == 43 and min(total.values()) >= 8
    assert all(len(counts) == 43 for counts in clear.values())
    # a long tail: the commonest class has more than ten times the patches of the rarest
    assert max(total.values()) > 10 * min(total.values())


def test_covers_look_as_they_do_from_space(landscape):
    """Means over all pixels of a class, 60 m grid, in reflectance."""
    means = {}
    for code in (211, 231, 311, 312, 331, 334, 512, 523):
        values = []
        for scene in landscape:
            if scene.tile.cloud or scene.tile.snow:
                continue
            pure = (scene.cover == int(np.flatnonzero(CODE == code)[0])).reshape(len(scene.cover) // 6, 6, -1, 6)
            pure = pure.all((1, 3))
            bands = [scene.bands[b].reshape(len(pure), 6 * 10 // RESOLUTION[b], len(pure), -1) for b in BANDS]
            values.append(np.stack([band.mean((1, 3))[pure] for band in bands], -1))
        means[code] = dict(zip(BANDS, np.concatenate(values).mean(0) / 10000, strict=True))
    for code in (231, 311, 312):
        assert means[code]["B08"] > 4 * means[code]["B04"], code  # the red edge
    assert means[311]["B08"] > 1.6 * means[312]["B08"]  # broad leaves against needles
    for code in (512, 523):
        assert means[code]["B11"] < 0.03 < means[312]["B11"]  # water is black in the short-wave infrared
    assert means[334]["B12"] > means[334]["B08"]  # char: NBR below 0
    assert means[331]["B04"] > 0.25 > means[211]["B04"]  # sand is bright


def test_snow_and_cloud_are_rendered_as_such(landscape):
    bright = {}
    for scene in landscape:
        for patch in scene.patches:
            kind = "snow" if patch["snow"] else "cloud" if patch["cloud"] else "clear"
            at = {band: patch_window(scene, patch, band) for band in ("B03", "B11")}
            green, infrared = (np.percentile(at[band], 99) / 10000 for band in ("B03", "B11"))
            bright.setdefault(kind, []).append((green, infrared))
    means = {kind: np.mean(values, 0) for kind, values in bright.items()}
    assert means["snow"][0] > 0.6 and means["cloud"][0] > 0.4 > means["clear"][0]
    assert means["cloud"][1] > 0.3  # cloud is bright in the short-wave infrared


def patch_window(scene, patch, band):
    n = PIXELS[RESOLUTION[band]]
    return scene.bands[band][patch["row"] * n : (patch["row"] + 1) * n, patch["col"] * n : (patch["col"] + 1) * n]


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
        ours = metadata(like, {"col": col, "row": row}, about["labels"])
        for key, like in (("tile_source", r"S2[AB]_MSIL1C_\d{8}T\d{5,6}_N\d{4}_R\d{3}_T\w{5}_\d{8}T\d{6}\.SAFE"),
                          ("acquisition_date", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")):  # fmt: skip
            assert re.fullmatch(like, ours[key]) and re.fullmatch(like, about[key])
            about[key] = ours[key]
        assert json.dumps(ours) == json.dumps(about)


def test_v2_metadata_have_the_real_columns(real_data, v2):
    real = pq.read_schema(real_data / "BigEarthNet-v2" / "metadata.parquet")
    assert pq.read_schema(v2 / "metadata.parquet").equals(real)
