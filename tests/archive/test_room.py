"""Room for files: the disk, and quotas as `lfs` and `quota` tell them."""

import os
import shutil

import pytest

from bigearth.archive.room import check_room, find_room
from bigearth.errors import InputError


@pytest.fixture
def tell(tmp_path, monkeypatch):
    """Put a quota command into the path that prints some lines."""

    def put(name, text):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return put


def test_the_disk(tmp_path):
    room = find_room(tmp_path / "absent/folder")
    assert 0 < room.bytes <= shutil.disk_usage(tmp_path).total and room.files > 0
    check_room(tmp_path, 1, 1, "")
    with pytest.raises(InputError, match="needs 1000000000 GB, the disk leaves .* GB: free some"):
        check_room(tmp_path, 10**18, 1, "free some")


def test_a_quota_of_lustre(tell, tmp_path):
    tell("lfs", "/scratch 1000* 2000 3000 - 3900000 0 4000000 -")
    room = find_room(tmp_path)
    assert (room.bytes, room.files) == (1024 * 1000, 100_000)
    with pytest.raises(
        InputError, match=r"needs 8,264,564 files and folders, the quota \(lfs quota -u\) leaves 100,000"
    ):
        check_room(tmp_path, 1, 8_264_564, "leave it packed")


def test_a_quota_of_a_group(tell, tmp_path):
    tell("quota", "Disk quotas for group users (gid 100):\n Filesystem blocks quota limit grace files\n"
         "/dev/vda 500 0 400 0 10 30 20 0")  # fmt: skip
    room = find_room(tmp_path)
    assert (room.bytes, room.files) == (-102_400, 10)
    with pytest.raises(InputError, match="quota -u.* leaves 0.0 GB"):
        check_room(tmp_path, 1, 1, "")


@pytest.mark.parametrize("text", ["", "none", "/x 1 2", "/x a b c - d e f -", "/x 5 0 0 - 5 0 0 -"])
def test_no_quota(tell, tmp_path, text):
    before = find_room(tmp_path)
    tell("lfs", text)
    assert find_room(tmp_path).files_limit == before.files_limit == "the disk"
