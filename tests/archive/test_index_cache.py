"""The kept index is loaded only if its checksum agrees; what the study did not write is left alone."""

import os
import shutil

import pandas as pd
import pytest

from bigearth.archive.index import read_index
from bigearth.errors import InputError


@pytest.fixture
def work(tiny_archive, tmp_path):
    read_index(tiny_archive, tmp_path)
    return tmp_path


def test_every_flipped_bit_is_noticed(tiny_archive, work):
    path = work / "patches.parquet"
    whole, expected = path.read_bytes(), read_index(tiny_archive, work)
    for position in range(0, len(whole), len(whole) // 20):
        damaged = bytearray(whole)
        damaged[position] ^= 8
        path.write_bytes(damaged)
        pd.testing.assert_frame_equal(read_index(tiny_archive, work), expected)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("length", [0, 4, 1000])
def test_a_cut_index_is_made_anew(tiny_archive, work, length):
    path = work / "patches.parquet"
    path.write_bytes(path.read_bytes()[:length])
    assert len(read_index(tiny_archive, work)) == 60


def test_an_index_without_checksum_is_made_anew(tiny_archive, work):
    (work / "patches.parquet.sha256").unlink()
    path = work / "patches.parquet"
    index = pd.read_parquet(path)
    index["x"] += 1
    index.to_parquet(path)
    assert not (read_index(tiny_archive, work).x == index.x).any()


@pytest.mark.parametrize("kind", ["text", "table", "folder", "pipe", "dangling"])
def test_what_the_study_did_not_write_is_kept(tiny_archive, tmp_path, kind):
    path = tmp_path / "patches.parquet"
    if kind == "text":
        path.write_text("mine")
    elif kind == "table":
        pd.DataFrame({"patch": ["mine"]}).to_parquet(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "elsewhere")
    before = path.lstat()
    with pytest.raises(InputError, match="choose another workdir"):
        read_index(tiny_archive, tmp_path)
    assert path.lstat() == before and not (tmp_path / "elsewhere").exists()


def test_another_archive_of_the_same_workdir(tiny_archive, work, tmp_path):
    other = tmp_path / "other"
    for folder in sorted(tiny_archive.glob("S2*"))[:2]:
        shutil.copytree(folder, other / folder.name)
    assert len(read_index(other, work)) == 2
    assert len(read_index(tiny_archive, work)) == 60
