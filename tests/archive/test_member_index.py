"""The index of a packed archive: made once, made anew where anything changed, never of a damaged archive."""

import os
import shutil

import numpy as np
import pytest

from bigearth.archive import member_index
from bigearth.archive.member_index import find_index
from bigearth.errors import InputError
from tests.archive.packing import FORMS, pack


@pytest.fixture(scope="module")
def packed(tiny_archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    return {form: pack(tiny_archive, folder / form.replace(", ", "-"), form) for form in FORMS}


@pytest.mark.parametrize("form", FORMS)
def test_an_index_is_made_once(packed, tmp_path, form, monkeypatch):
    folder, record = find_index(packed[form], tmp_path)
    assert folder.parent == tmp_path and record["members"] > 60 * 14
    assert len(np.load(folder / member_index.FOLDERS)) == 60
    assert (folder / "tables/lists/splits/train.csv").exists()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) < 30
    monkeypatch.setattr(member_index, "list_members", lambda *_: pytest.fail("read again"))
    assert find_index(packed[form], tmp_path) == (folder, record)


def test_a_changed_archive_is_read_again(packed, tmp_path):
    path = shutil.copy(packed["zst"], tmp_path / "a.tar.zst")
    _, first = find_index(path, tmp_path)
    os.utime(path, (1, 1))
    _, second = find_index(path, tmp_path)
    assert first["archive"] != second["archive"]


@pytest.mark.parametrize("name", [member_index.OFFSETS, member_index.ABOUT, "tables/lists/splits/val.csv"])
def test_a_damaged_index_is_made_anew(packed, tmp_path, name):
    folder, record = find_index(packed["tar"], tmp_path)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + b"?")
    assert find_index(packed["tar"], tmp_path) == (folder, record)
    assert (folder / name).read_bytes() == content


def test_what_was_interrupted_is_made_anew(packed, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(member_index, "list_members", stop)
        find_index(packed["zst"], tmp_path)
    folder = tmp_path / f"{packed['zst'].name}.index"
    assert not (folder / "index.json").exists()
    assert len(np.load(find_index(packed["zst"], tmp_path)[0] / member_index.FOLDERS)) == 60


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_kept_of_a_damaged_archive(packed, tmp_path, form):
    whole = packed[form].read_bytes()
    path = tmp_path / packed[form].name
    for length in (len(whole) // 3, len(whole) - 15_000 if form == "tar" else len(whole) - 3):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="is damaged") as error:
            find_index(path, tmp_path)
        assert "\n" not in str(error.value)
        assert not (tmp_path / f"{path.name}.index/index.json").exists()


def test_a_folder_of_others_is_left_alone(packed, tmp_path):
    folder = tmp_path / f"{packed['tar'].name}.index"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no index of this study"):
        find_index(packed["tar"], tmp_path)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    folder.rename(tmp_path / "elsewhere")
    folder.write_text("a file")
    with pytest.raises(InputError, match="no index of this study"):
        find_index(packed["tar"], tmp_path)


def test_a_workdir_that_cannot_be_written(packed, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        find_index(packed["tar"], tmp_path / "file")
