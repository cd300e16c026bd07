"""Folders of groups: those of dead processes are removed, and nothing that a group did not write."""

import json
import stat
import subprocess

import pytest

from bigearth.cluster import folders
from bigearth.errors import InputError


@pytest.fixture
def dead():
    """Number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def abandon(folder, **changes):
    """Make a folder's owner another process, and fill it."""
    owner = json.loads((folder / folders.OWNER).read_text())
    (folder / folders.OWNER).write_text(json.dumps(owner | changes))
    (folder / "security").mkdir()
    (folder / "security" / "ipcontroller-client.json").write_text("key")
    (folder / "log-0.txt").write_text("words")
    return folder


def test_a_folder_is_this_users_alone(tmp_path):
    folder = folders.make_folder(tmp_path / "scratch")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folders.remove_folder(folder)
    folders.remove_folder(folder)
    assert not folder.exists()


def test_folders_of_dead_groups_are_removed(tmp_path, dead):
    killed = abandon(folders.make_folder(tmp_path), pid=dead)
    alive = folders.make_folder(tmp_path)
    new = folders.make_folder(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([alive, new]) and not killed.exists()


def test_a_process_that_got_the_number_later_is_another_one(tmp_path):
    folder = folders.make_folder(tmp_path)
    abandon(folder, started=1.0)
    folders.make_folder(tmp_path)
    assert not folder.exists()


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"processes": "pid:[1]"}, {"pid": "x"}, {"pid": -1}])
def test_what_cannot_be_known_to_be_dead_stays(tmp_path, dead, changes):
    folder = abandon(folders.make_folder(tmp_path), **{"pid": dead, **changes})
    folders.make_folder(tmp_path)
    assert (folder / "security/ipcontroller-client.json").exists()


def test_what_no_group_made_stays(tmp_path, dead):
    theirs = tmp_path / "engines-of-my-car"
    theirs.mkdir()
    (theirs / "notes.txt").write_text("mine")
    other = abandon(folders.make_folder(tmp_path), pid=dead)
    (other / "notes.txt").write_text("mine")
    (tmp_path / "engines-link").symlink_to(other)
    (other / "log").symlink_to(theirs)
    (tmp_path / "engines-file").write_text("mine")
    folders.make_folder(tmp_path)
    assert (theirs / "notes.txt").exists() and (tmp_path / "engines-file").exists()
    assert (tmp_path / "engines-link").is_symlink()
    assert [path.name for path in other.iterdir()] == ["notes.txt"]  # without the key


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "scratch").write_text("not a folder")
    with pytest.raises(InputError, match=f"^{tmp_path}/scratch, .*cannot be written"):
        folders.make_folder(tmp_path / "scratch")
