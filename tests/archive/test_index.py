import json
import shutil

import numpy as np
import pandas as pd
import pytest
from osgeo import gdal

from bigearth.archive import index as index_module
from bigearth.archive import pixels
from bigearth.archive.lists import read_names, read_splits
from bigearth.archive.metadata_v2 import read_metadata, tile_corner
from bigearth.cube.selection import select
from bigearth.errors import InputError
from bigearth.miniature.archive import write_archive
from bigearth.patch import BANDS, BANDS_AT, PIXELS


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A generated archive in the layout of v2.0."""
    return write_archive(tmp_path_factory.mktemp("archive") / "second", patches=30, seed=7, version=2)


@pytest.fixture
def copied(tiny_archive, tmp_path):
    """Three patches of the tiny archive, to be damaged."""
    folder = tmp_path / "archive"
    for patch in sorted(tiny_archive.glob("S2*"))[:3]:
        shutil.copytree(patch, folder / patch.name)
    return folder


def write_band(path, array, kind=gdal.GDT_UInt16):
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), array.shape[1], array.shape[0], 1, kind)
    dataset.GetRasterBand(1).WriteArray(array)
    dataset.FlushCache()


def test_index_of_v1(tiny_archive, tmp_path):
    index = index_module.read_index(tiny_archive, tmp_path)
    folders = sorted(path.name for path in tiny_archive.glob("S2*"))
    assert index.patch.tolist() == folders
    assert index.attrs["version"] == 1 and index.attrs["miniature"]
    for row in index.itertuples():
        data = json.loads((tiny_archive / row.folder / f"{row.patch}_labels_metadata.json").read_text())
        assert row.labels == data["labels"] and row.tile_source == data["tile_source"]
        assert (row.x, row.y) == (data["coordinates"]["ulx"], data["coordinates"]["uly"])
        assert row.tile in data["tile_source"] and f'"EPSG","{row.epsg}"]]' in data["projection"]
    assert index.split.isin(["train", "validation", "test"]).any()


def test_index_of_v2(second, tmp_path):
    index = index_module.read_index(second, tmp_path)
    assert index.attrs["version"] == 2 and index.country.notna().all()
    for row in index.itertuples():
        dataset = gdal.Open(str(second / row.folder / f"{row.patch}_B02.tif"))
        transform = dataset.GetGeoTransform()
        assert (row.x, row.y) == (transform[0], transform[3])  # worked out from the name, as the file says
        assert dataset.GetSpatialRef().GetAuthorityCode(None) == str(row.epsg)


def test_index_is_read_once(tiny_archive, tmp_path, monkeypatch):
    first = index_module.read_index(tiny_archive, tmp_path)
    monkeypatch.setattr(index_module, "_index_v1", lambda archive: pytest.fail("read again"))
    pd.testing.assert_frame_equal(index_module.read_index(tiny_archive, tmp_path), first)


def test_index_is_read_again_when_the_archive_changed(copied, tmp_path):
    assert len(index_module.read_index(copied, tmp_path)) == 3
    shutil.rmtree(next(copied.glob("S2*")))
    assert len(index_module.read_index(copied, tmp_path)) == 2


@pytest.mark.parametrize(
    "tile, corner",
    [
        ("T33UUP", (32633, 300_000, 5_400_000)),  # these four as in the real patches' files
        ("T29UPU", (32629, 600_000, 5_900_040)),
        ("T35VPK", (32635, 600_000, 7_000_020)),
        ("T32TMT", (32632, 399_960, 5_300_040)),
    ],
)
def test_corner_of_a_tile(tile, corner):
    assert tile_corner(tile) == corner


def test_tiles_of_the_south_are_refused():
    with pytest.raises(InputError, match="T22KGV.*south"):
        tile_corner("T22KGV")


def test_pixels_are_the_files(tiny_archive):
    folder = next(tiny_archive.glob("S2*"))
    patch = pixels.read_patch(folder)
    for metres, bands in BANDS_AT.items():
        assert patch[metres].shape == (PIXELS[metres], PIXELS[metres], len(bands)) and patch[metres].dtype == np.uint16
        for i, band in enumerate(bands):
            dataset = gdal.Open(str(folder / f"{folder.name}_{band}.tif"))
            np.testing.assert_array_equal(patch[metres][..., i], dataset.ReadAsArray())


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda path: path.unlink(), "B11.tif is missing: restore"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "B11.tif cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "B11.tif cannot be read"),
        (lambda path: path.write_bytes(b"not an image"), "B11.tif cannot be read"),
        (lambda path: path.write_bytes(b""), "B11.tif cannot be read"),
        (lambda path: write_band(path, np.ones((60, 59))), "B11.tif has 59 x 60 pixels"),
        (lambda path: write_band(path, np.ones((60, 60)), gdal.GDT_Int16), "B11.tif.*of Int16; expected"),
    ],
)
def test_damaged_bands(copied, damage, message):
    folder = next(copied.glob("S2*"))
    damage(folder / f"{folder.name}_B11.tif")
    with pytest.raises(InputError, match=message):
        pixels.read_patch(folder)


def test_missing_band_is_found_by_the_index(copied, tmp_path):
    folder = sorted(copied.glob("S2*"))[1]
    (folder / f"{folder.name}_B8A.tif").unlink()
    with pytest.raises(InputError, match=f"{folder.name}_B8A.tif is missing"):
        index_module.read_index(copied, tmp_path)
    assert not (tmp_path / "patches.parquet").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda data: "{", "not valid JSON"),
        (lambda data: json.dumps(data | {"labels": ["Vineyards", "Moon"]}), "label 'Moon'"),
        (lambda data: json.dumps(data | {"labels": []}), r"label '\(none\)'"),
        (lambda data: json.dumps({k: v for k, v in data.items() if k != "coordinates"}), "lacks .*coordinates"),
        (lambda data: json.dumps(data | {"tile_source": "unknown"}), "lacks what a v1.0 patch has"),
        (lambda data: "[1, 2]", "lacks what a v1.0 patch has"),
    ],
)
def test_bad_json(copied, tmp_path, change, message):
    path = sorted(copied.glob("S2*/*.json"))[1]
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(InputError, match=message) as error:
        index_module.read_index(copied, tmp_path)
    assert path.parent.name in str(error.value)


def test_missing_json(copied, tmp_path):
    path = next(copied.glob("S2*/*.json"))
    path.unlink()
    with pytest.raises(InputError, match=f"{path.name} is missing"):
        index_module.read_index(copied, tmp_path)


def test_what_is_no_archive(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        index_module.read_index(tmp_path / "absent", tmp_path)
    with pytest.raises(InputError, match="neither v1.0 patch folders .* nor v2.0"):
        index_module.read_index(tmp_path, tmp_path)


def test_unwritable_workdir(copied, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="workdir .* cannot be written"):
        index_module.read_index(copied, tmp_path / "file" / "work")


def test_two_patches_of_one_name(second, tmp_path):
    folder = tmp_path / "second"
    shutil.copytree(second, folder)
    table = pd.read_parquet(folder / "metadata.parquet")
    pd.concat([table, table.iloc[:1]]).to_parquet(folder / "metadata.parquet")
    with pytest.raises(InputError, match=f"1 patch name.*twice.*{table.patch_id[0]}"):
        index_module.read_index(folder, tmp_path)


def test_v2_with_a_part_of_its_patches(second, tmp_path):
    folder = tmp_path / "second"
    shutil.copytree(second, folder)
    gone = next(folder.glob("BigEarthNet-S2/*/*"))
    shutil.rmtree(gone)
    listed = pd.read_parquet(folder / "metadata.parquet").patch_id
    flagged = {path.name for path in folder.glob("BigEarthNet-S2/*/*")}.difference(listed)  # snow, cloud or shadow
    assert flagged
    for _ in range(2):  # also where the index comes from its cache
        index = index_module.read_index(folder, tmp_path)
        assert gone.name not in set(index.patch)
        assert (index.attrs["absent"], index.attrs["unlisted"]) == (1, len(flagged))
        with pytest.warns(match=f"1 of the archive's {len(index) + 1} patches are not there"):
            record = select(index, splits="random")[1]
        assert (record["absent"], record["unlisted"], record["rows"]) == (1, len(flagged), len(index))
    shutil.rmtree(folder / "BigEarthNet-S2")
    with pytest.raises(InputError, match="BigEarthNet-S2 is missing: extract"):
        index_module.read_index(folder, tmp_path)
    assert len(index_module.read_index(folder, tmp_path, pixels=False)) == len(index) + 1


def test_v2_metadata_of_something_else(tmp_path):
    pd.DataFrame({"patch_id": ["S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57"]}).to_parquet(tmp_path / "m")
    with pytest.raises(InputError, match="has no column 'labels'"):
        read_metadata(tmp_path / "m")
    pd.DataFrame({"patch_id": ["other"]}).to_parquet(tmp_path / "m")
    with pytest.raises(InputError, match="other is not a v2.0 patch name"):
        read_metadata(tmp_path / "m")


def test_lists(tmp_path):
    (tmp_path / "names.csv").write_text("a\r\nb,other column\n\n")
    assert read_names(tmp_path / "names.csv") == ["a", "b"]
    (tmp_path / "empty.csv").write_text("\n")
    with pytest.raises(InputError, match="empty.csv names no patch"):
        read_names(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="absent.csv cannot be read"):
        read_names(tmp_path / "absent.csv")


def test_a_patch_has_one_split(tmp_path):
    for name, patches in (("train", "a\nb\n"), ("val", "c\n"), ("test", "d\nb\n")):
        (tmp_path / f"{name}.csv").write_text(patches)
    with pytest.raises(InputError, match="b is in test and in train"):
        read_splits(tmp_path)


def test_all_bands_are_read():
    assert sorted(band for bands in BANDS_AT.values() for band in bands) == sorted(BANDS)
