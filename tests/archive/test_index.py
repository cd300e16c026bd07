"""The index of an archive: rows, what is damaged, and the lists beside the archive."""

import gzip
import json
import os
import shutil

import pandas as pd
import pytest
from osgeo import gdal

from bigearth.archive import index as index_module
from bigearth.cube.selection import select
from bigearth.errors import InputError
from bigearth.miniature.archive import write_archive


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
    monkeypatch.setattr(index_module, "_read_archive", lambda *_: pytest.fail("read again"))
    pd.testing.assert_frame_equal(index_module.read_index(tiny_archive, tmp_path), first)


def test_index_is_read_again_when_the_archive_changed(copied, tmp_path):
    assert len(index_module.read_index(copied, tmp_path)) == 3
    shutil.rmtree(next(copied.glob("S2*")))
    assert len(index_module.read_index(copied, tmp_path)) == 2


def test_missing_band_is_found_by_the_index(copied, tmp_path):
    folder = sorted(copied.glob("S2*"))[1]
    (folder / f"{folder.name}_B8A.tif").unlink()
    with pytest.raises(InputError, match=f"{folder.name}_B8A.tif is missing"):
        index_module.read_index(copied, tmp_path)
    assert not (tmp_path / "patches.parquet").exists()


def test_missing_json(copied, tmp_path):
    path = next(copied.glob("S2*/*.json"))
    path.unlink()
    with pytest.raises(InputError, match=f"{path.name} is missing"):
        index_module.read_index(copied, tmp_path)


def test_what_is_no_archive(tmp_path):
    with pytest.raises(InputError, match="absent is missing"):
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
    with pytest.raises(InputError, match="BigEarthNet-S2 is missing: give the path of BigEarthNet-S2.tar.zst"):
        index_module.read_index(folder, tmp_path)
    assert len(index_module.read_index(folder, tmp_path, pixels=False)) == len(index) + 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_damaged_patch_can_be_excluded(version, copied, second, tmp_path):
    archive = copied if version == 1 else shutil.copytree(second, tmp_path / "second")
    whole = index_module.read_index(archive, tmp_path / "before")
    row = whole.iloc[1]
    (archive / row.folder / f"{row.patch}_B03.tif").unlink()
    with pytest.raises(InputError, match="B03.tif is missing: restore it from the archive, or exclude the patch"):
        index_module.read_index(archive, tmp_path / "work")
    excluded = tmp_path / "exclude.csv"
    excluded.write_text(f"{row.patch}\n")
    for _ in range(2):  # also where the index comes from its cache
        index = index_module.read_index(archive, tmp_path / "work", exclude=[excluded])
        assert index.patch.tolist() == whole.patch.drop(1).tolist()
        assert list(index.attrs["damaged"]) == [row.patch]
    with pytest.raises(InputError, match="B03.tif is missing"):
        index_module.read_index(archive, tmp_path / "work")


def test_a_restored_patch_is_read_again(copied, tmp_path):
    path = next(copied.glob("S2*")) / "aside.tif"
    band = path.with_name(f"{path.parent.name}_B03.tif")
    band.rename(path)
    (tmp_path / "exclude.csv").write_text(path.parent.name)
    assert len(index_module.read_index(copied, tmp_path, exclude=[tmp_path / "exclude.csv"])) == 2
    path.rename(band)
    assert len(index_module.read_index(copied, tmp_path)) == 3


@pytest.mark.parametrize("name", ["B03.tif", "labels_metadata.json"])
def test_files_that_are_not_regular_are_not_waited_for(name, copied, tmp_path):
    path = next(copied.glob("S2*"))
    path = path / f"{path.name}_{name}"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=f"{name} is (a pipe|not a regular file): .*exclude the patch"):
        index_module.read_index(copied, tmp_path)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (["Vineyards", "Moon"], "label 'Moon', not among the 43"),
        ([], r"label '\(none\)'"),
        (["Vineyards", "Vineyards"], "has a label twice"),
    ],
)
def test_wrong_labels(labels, match, copied, tmp_path):
    path = sorted(copied.glob("S2*/*.json"))[1]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": labels}))
    with pytest.raises(InputError, match=match) as error:
        index_module.read_index(copied, tmp_path)
    assert path.parent.name in str(error.value)


def test_wrong_labels_of_v2(second, tmp_path):
    folder = shutil.copytree(second, tmp_path / "second")
    table = pd.read_parquet(folder / "metadata.parquet")
    table["labels"] = [["Moon"], *table.labels[1:]]
    table.to_parquet(folder / "metadata.parquet")
    with pytest.raises(InputError, match=f"patch {table.patch_id[0]} has label 'Moon', not among the 19"):
        index_module.read_index(folder, tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_own_lists_in_any_form_and_their_unknown_names(packed, tiny_archive, tmp_path):
    expected = index_module.read_index(tiny_archive, tmp_path / "before")
    archive = tmp_path / "archive"
    shutil.copytree(tiny_archive, archive)
    for path in list(archive.glob("lists/**/*.csv")):
        rows = "".join(f'"{name}";"Austria"\r\n' for name in path.read_text().split())
        content = ("\ufeffpatch;country\r\n" + rows).encode()
        path.unlink()
        if packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
        else:
            path.write_bytes(content)
    index = index_module.read_index(archive, tmp_path / "work")
    pd.testing.assert_frame_equal(index, expected)
    if not packed:
        for name in ("splits/val.csv", "patches_with_seasonal_snow.csv"):
            with open(archive / "lists" / name, "a") as file:
                file.write("S2A_MSIL2A_20000101T000000_1_1;Austria\r\n")
        for _ in range(2):  # also where the index comes from its cache
            with pytest.warns(match="1 of its .* names are not in the archive") as warned:
                index_module.read_index(archive, tmp_path / "work")
            assert len(warned) == 2 and {warning.filename for warning in warned} == {__file__}


def test_an_edited_list_is_read_again(copied, tiny_archive, tmp_path):
    shutil.copytree(tiny_archive / "lists", copied / "lists")
    path = copied / "lists/patches_with_seasonal_snow.csv"
    names = sorted(folder.name for folder in copied.glob("S2*"))
    path.write_text(names[0])
    with pytest.warns(match="splits: .* names are not in the archive"):
        assert index_module.read_index(copied, tmp_path).snow.tolist() == [True, False, False]
    path.write_text(names[1])
    with pytest.warns(match="splits"):
        assert index_module.read_index(copied, tmp_path).snow.tolist() == [False, True, False]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_patch_that_is_no_folder_is_damaged(kind, copied, tmp_path):
    path = copied / "S2A_MSIL2A_20170613T101031_90_90"
    path.symlink_to("nowhere") if kind == "link" else path.write_text("")
    with pytest.raises(InputError, match="_90_90 cannot be listed"):
        index_module.read_index(copied, tmp_path / "work")
