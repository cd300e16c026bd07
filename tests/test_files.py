"""Paths, locks and files that are written whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bigearth.errors import InputError
from bigearth.files import ROOT, locked, resolve, write_whole


def test_relative_paths_start_at_the_project_wherever_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve("scratch/mini") == ROOT / "scratch/mini"
    assert resolve(tmp_path) == tmp_path
    assert resolve("~/x") == Path.home() / "x"


@pytest.mark.parametrize("wrong", ["", "  ", "a\0b", "~nobody_of_this_name/x"])
def test_a_path_that_is_none_is_an_error(wrong):
    with pytest.raises(InputError, match="path"):
        resolve(wrong)


def test_a_lock_is_held_by_one_process_and_goes_with_it(tmp_path):
    path = tmp_path / "new" / "lock"
    code = f"from bigearth.files import locked; from pathlib import Path; l = locked(Path({str(path)!r}), 'it')\n"
    code += "with l: print('held', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="the cube is in use by another process"), locked(path, "the cube"):
        pass
    holder.kill()
    holder.communicate()
    with locked(path, "the cube"):
        pass


def test_a_lock_empties_no_file_and_follows_no_link(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (tmp_path / "lock").symlink_to(mine)
    with pytest.raises(InputError, match="choose another path"), locked(tmp_path / "lock", "the cube"):
        pass
    with locked(mine, "the cube"):
        pass
    assert mine.read_text() == "mine"


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "model.keras"
    with write_whole(path) as partial:
        assert partial.suffix == ".keras" and not path.exists()
        partial.write_text("first")
    with pytest.raises(RuntimeError), write_whole(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first" and os.listdir(path.parent) == ["model.keras"]


@pytest.mark.parametrize("path", ["x" * 5000, "a/" * 3000, "é" * 200])
def test_a_path_that_is_too_long(path):
    with pytest.raises(InputError, match="longer than a file system takes"):
        resolve(path)
