"""The folder of an unfinished cube: what is checked before it is resumed, and what is left alone."""

import json
import os

import pytest

from bigearth.cube.unfinished import UnfinishedCube
from bigearth.errors import InputError

PLAN = '{"rows": 54, "training": 3}'


def test_a_begun_cube_is_resumed_by_the_same_plan_only(begun):
    assert begun.can_resume(json.dumps({"rows": begun.count_rows()[1], "training": 3}))
    assert not begun.can_resume(PLAN.replace("3", "4"))


@pytest.mark.parametrize("at", [100, -100])
def test_a_flipped_bit_beside_the_pixels_is_seen(begun, at):
    plan = (begun.folder / "plan.json").read_text()
    content = bytearray(begun.file.read_bytes())
    content[at] ^= 4
    begun.file.write_bytes(content)
    assert not begun.can_resume(plan)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"checksum": "00", "intervals": [], "bytes": 1}', "\udcff"])
def test_a_damaged_layout_is_not_believed(begun, damage):
    plan = (begun.folder / "plan.json").read_text()
    (begun.folder / "layout.json").write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert not begun.can_resume(plan)


def test_a_cube_cut_short_is_not_resumed(begun):
    os.truncate(begun.file, begun.file.stat().st_size // 2)
    assert not begun.can_resume((begun.folder / "plan.json").read_text())


def test_damaged_lines_of_a_journal_are_passed_over(begun):
    lines = [
        b"slab-0 5 0000abcd written",
        b"slab-5 5 xyz written",
        b"slab-10 5 0000abcd writ",
        b"\xff\xfe",
        b"",
        b"slab",
    ]
    (begun.folder / "journal-0.txt").write_bytes(b"\n".join(lines))
    os.mkfifo(begun.folder / "journal-1.txt")  # would be waited for
    assert set(begun.read_journals()) == {"slab-0"}


@pytest.mark.parametrize("name", ["cube.h5", "journal-3.txt", "failed", "layout.json"])
def test_files_of_others_are_not_taken_for_ours(tmp_path, name):
    unfinished = UnfinishedCube(tmp_path / "cube.h5")
    unfinished.folder.mkdir()
    (unfinished.folder / name).write_text("mine")
    with pytest.raises(InputError, match=f"holds {name} but no readable plan.json"):
        unfinished.check_folder()
    assert (unfinished.folder / name).read_text() == "mine"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_another_thing_in_the_folders_place(tmp_path, kind):
    unfinished = UnfinishedCube(tmp_path / "cube.h5")
    (tmp_path / "elsewhere").mkdir()
    if kind == "link":
        unfinished.folder.symlink_to(tmp_path / "elsewhere")
    else:
        unfinished.folder.write_text("mine")
    with pytest.raises(InputError, match="is not a folder"):
        unfinished.check_folder()


def test_a_lock_leaves_nothing_where_nothing_was_begun(tmp_path):
    unfinished = UnfinishedCube(tmp_path / "cube.h5")
    with unfinished.locked():
        assert unfinished.folder.is_dir()
    assert not unfinished.folder.exists()


def test_a_file_named_lock_keeps_its_content(tmp_path):
    unfinished = UnfinishedCube(tmp_path / "cube.h5")
    unfinished.folder.mkdir()
    (unfinished.folder / "lock").write_text("mine")
    with unfinished.locked():
        pass
    assert (unfinished.folder / "lock").read_text() == "mine"


def test_a_link_named_lock_is_not_followed(tmp_path):
    unfinished = UnfinishedCube(tmp_path / "cube.h5")
    unfinished.folder.mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    (unfinished.folder / "lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(InputError, match="cannot be written"), unfinished.locked():
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_what_nfs_leaves_beside_an_open_lock_does_no_harm(begun):
    with begun.locked():
        (begun.folder / ".nfs0001").write_text("")
        begun.publish()
    assert begun.cube.exists()
    assert [path.name for path in begun.folder.iterdir()] == [".nfs0001"]


def test_a_file_that_appeared_meanwhile_is_not_replaced(begun):
    begun.cube.write_text("mine")
    with pytest.raises(InputError, match="is not replaced; all rows of the cube are kept"):
        begun.publish()
    assert begun.cube.read_text() == "mine" and begun.file.exists()


def test_counts_of_a_damaged_plan(begun):
    (begun.folder / "plan.json").write_text('{"rows":')
    assert begun.count_rows() is None
    with pytest.raises(InputError, match="no readable plan.json"):
        begun.check_folder()
