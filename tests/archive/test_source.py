"""Both forms of an archive are opened by one function."""

import pytest

from bigearth.archive.folders import FolderArchive
from bigearth.archive.packed import PackedArchive
from bigearth.archive.source import open_archive
from bigearth.errors import InputError
from tests.archive.packing import pack


def test_a_folder_and_a_file(tiny_archive, tmp_path):
    assert isinstance(open_archive(tiny_archive, tmp_path), FolderArchive)
    packed = open_archive(pack(tiny_archive, tmp_path / "a", "zst"), tmp_path)
    assert isinstance(packed, PackedArchive)
    assert sorted(packed.list_folders()) == open_archive(tiny_archive, tmp_path).list_folders()


def test_neither(tmp_path, file):
    with pytest.raises(InputError, match="is missing"):
        open_archive(tmp_path / "absent", tmp_path)
    with pytest.raises(InputError, match="neither a folder nor"):
        open_archive(file("text"), tmp_path)
