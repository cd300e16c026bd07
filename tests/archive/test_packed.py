"""A packed archive gives what its folder gives: index, pixels, problems; in both versions and every form."""

import json
import shutil
import tarfile

import numpy as np
import pandas as pd
import pytest

from bigearth.archive.folders import FolderArchive
from bigearth.archive.index import read_index
from bigearth.archive.packed import PackedArchive
from bigearth.archive.pixels import read_patch, read_patches
from bigearth.archive.source import open_archive
from bigearth.errors import InputError
from bigearth.miniature.archive import write_archive
from bigearth.patch import PIXELS
from tests.archive.packing import FORMS, list_files, make_tar, pack


@pytest.fixture(scope="module", params=[1, 2])
def folder(request, tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive") / "tiny", patches=30, seed=7, version=request.param)


@pytest.mark.parametrize("form", FORMS)
def test_index_and_pixels_are_those_of_the_folder(folder, tmp_path, form):
    path = pack(folder, tmp_path / "packed", form)
    expected = read_index(folder, tmp_path / "a")
    with pytest.warns(UserWarning, match="nothing verifies its contents") if form == "tar" else _nothing():
        index = read_index(path, tmp_path / "b")
    pd.testing.assert_frame_equal(index, expected)
    for name in ("version", "miniature", "damaged", "unknown_names"):
        assert index.attrs[name] == expected.attrs[name]
    archive = open_archive(path, tmp_path / "b")
    folders = index.folder.tolist()[::-3]
    for patch, name in zip(read_patches(archive, folders), folders, strict=True):
        for metres, array in read_patch(folder / name).items():
            np.testing.assert_array_equal(patch[metres], array)


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def open_members(members, tmp_path, name="a.tar"):
    (tmp_path / name).write_bytes(make_tar(members))
    return PackedArchive(tmp_path / name, tmp_path / "work")


@pytest.fixture
def members(tiny_archive):
    """Files of three patches."""
    chosen = sorted(path.name for path in tiny_archive.glob("S2*"))[:3]
    return [one for one in list_files(tiny_archive) if one[0].split("/")[1:2] and one[0].split("/")[1] in chosen]


def test_a_missing_band_and_a_missing_json(members, tmp_path):
    name = members[-1][0].split("/")[1]
    left = [one for one in members if not one[0].endswith((f"{name}_B8A.tif", f"{name}_labels_metadata.json"))]
    archive = open_members(left, tmp_path)
    assert f"{name}_B8A.tif is missing" in archive.find_problem(name)
    with pytest.raises(InputError, match="B8A.tif is missing: restore it from the archive, or exclude the patch"):
        read_patch(archive.path / name, source=archive)
    with pytest.raises(InputError, match="labels_metadata.json is missing"):
        archive.read_description(name)
    with pytest.raises(InputError, match="is missing"):
        read_index(tmp_path / "a.tar", tmp_path / "work")
    (tmp_path / "out.csv").write_text(name)
    assert len(read_index(tmp_path / "a.tar", tmp_path / "work", exclude=[tmp_path / "out.csv"])) == 2


def test_a_file_that_stands_twice(members, tmp_path):
    archive = open_members([*members, members[1]], tmp_path)
    name = members[1][0].split("/")[1]
    assert "is in the archive twice" in archive.find_problem(name)
    with pytest.raises(InputError, match="twice"):
        read_patch(archive.path / name, source=archive)


def test_files_in_any_order(members, tmp_path, tiny_archive):
    archive = open_members(sorted(members, key=lambda one: one[0][::-1]), tmp_path)
    for name in archive.list_folders():
        found, expected = read_patch(archive.path / name, source=archive), read_patch(tiny_archive / name)
        assert all(np.array_equal(found[metres], expected[metres]) for metres in PIXELS)


def test_files_of_another_form_and_of_none(members, tmp_path, tiny_archive):
    from osgeo import gdal

    name, content = next(one for one in members if one[0].endswith("B03.tif"))
    gdal.Translate(str(tmp_path / "odd.tif"), str(tiny_archive.parent / name), creationOptions=["COMPRESS=DEFLATE"])
    packed = [one if one[0] != name else (name, (tmp_path / "odd.tif").read_bytes()) for one in members]
    archive = open_members(packed, tmp_path)
    patch = name.split("/")[1]
    np.testing.assert_array_equal(
        read_patch(archive.path / patch, source=archive)[10], read_patch(tiny_archive / patch)[10]
    )
    cut = [one if one[0] != name else (name, content[:-5000]) for one in members]
    with pytest.raises(InputError, match=r"B03.tif cannot be read"):
        archive = open_members(cut, tmp_path, "b.tar")
        read_patch(archive.path / patch, source=archive)


def test_no_patch_in_it(tmp_path):
    with pytest.raises(InputError, match="holds no patch of BigEarthNet"):
        open_members([("text", b"x")], tmp_path)


def test_lists_beside_the_file(members, tmp_path):
    (tmp_path / "lists").mkdir()
    name = members[-1][0].split("/")[1]
    (tmp_path / "lists/patches_with_seasonal_snow.csv").write_text(name)
    open_members(members, tmp_path)
    index = read_index(tmp_path / "a.tar", tmp_path / "work")
    assert index.set_index("patch").snow[name] and index.snow.sum() == 1


def test_an_archive_that_was_cut_after_it_was_indexed(members, tmp_path):
    archive = open_members(members, tmp_path)
    content = archive.path.read_bytes()
    archive.path.write_bytes(content[:5000])
    with pytest.raises(InputError, match="became shorter"):
        read_patch(archive.path / archive.list_folders()[-1], source=archive)


def test_damaged_json_is_a_damaged_patch(members, tmp_path):
    name = next(one[0] for one in members if one[0].endswith(".json"))
    archive = open_members([one if one[0] != name else (name, b"{") for one in members], tmp_path)
    assert archive.read_description(name.split("/")[1]) == b"{"
    with pytest.raises(InputError, match="is not valid JSON"):
        read_index(archive.path, tmp_path / "work")


def test_the_real_patches(real_data, tmp_path):
    source = shutil.copytree(real_data / "BigEarthNet-v1.0", tmp_path / "real")
    path = pack(source, tmp_path / "packed", "zst")
    found, expected = read_index(path, tmp_path / "a"), read_index(source, tmp_path / "b")
    pd.testing.assert_frame_equal(found, expected)
    archive = open_archive(path, tmp_path / "a")
    for name in expected.folder:
        bands = read_patch(archive.path / name, source=archive)
        assert all(np.array_equal(bands[metres], read_patch(source / name)[metres]) for metres in PIXELS)
    assert json.loads(archive.read_description(expected.folder[0]))["labels"] == expected.labels[0]
    assert FolderArchive(source).read_description(expected.folder[0]) == archive.read_description(expected.folder[0])
    assert tarfile.BLOCKSIZE == 512
