"""An archive that is a folder: what is in it, and what is wrong with a patch."""

import os

import pytest

from bigearth.archive.folders import BandFiles, FolderArchive
from bigearth.errors import InputError
from bigearth.miniature.archive import write_archive


def test_names_and_files(tiny_archive):
    archive = FolderArchive(tiny_archive)
    names = archive.list_folders()
    assert archive.version == 1 and len(names) == 60 and names == sorted(names)
    assert archive.find_problem(names[0]) is None
    assert archive.read_description(names[0]).startswith(b"{")
    assert archive.order(names) is None


def test_version_2(tmp_path):
    archive = FolderArchive(write_archive(tmp_path / "second", patches=8, version=2))
    assert archive.version == 2
    assert all((tmp_path / "second" / folder).is_dir() for folder in archive.list_folders())


def test_problems(tmp_path):
    archive = FolderArchive(write_archive(tmp_path / "first", patches=8))
    name = archive.list_folders()[0]
    band = tmp_path / "first" / name / f"{name}_B04.tif"
    band.unlink()
    assert "B04.tif is missing" in archive.find_problem(name)
    os.mkfifo(band)
    assert "B04.tif is not a regular file" in archive.find_problem(name)
    with pytest.raises(InputError, match="is a pipe"), BandFiles().name_for_gdal(str(band)):
        pass
    assert "cannot be listed" in archive.find_problem("absent")


def test_a_folder_that_is_no_archive(tmp_path):
    with pytest.raises(InputError, match="neither v1.0 patch folders"):
        FolderArchive(tmp_path)


def test_a_folder_that_holds_a_packed_archive(tmp_path):
    for name in ("a.tar.gz", "a.tar.gz.part"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"no unpacked archive, but a\.tar\.gz: give .*/a\.tar\.gz$"):
        FolderArchive(tmp_path)
