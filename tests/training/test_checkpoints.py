"""Checkpoints: kept, damaged, and written where the disk is full."""

import multiprocessing
import os
import resource

import keras
import numpy as np
import pytest

from bigearth.training import checkpoints

FULL = 9  # exit code of a process whose disk is full


def test_two_checkpoints_are_kept_and_variables_come_back(tmp_path):
    for epoch in (1, 2, 3):
        checkpoints.write(tmp_path, [np.full(1000, epoch)], {"epoch": epoch})
    assert [path.name for path in checkpoints.list_checkpoints(tmp_path)] == ["epoch-0003.npz", "epoch-0002.npz"]
    assert len(list(tmp_path.iterdir())) == 2
    assert checkpoints.read_state(tmp_path / "epoch-0003.npz") == {"epoch": 3}
    variable = keras.Variable(np.zeros(1000))
    checkpoints.restore(tmp_path / "epoch-0003.npz", [variable])
    assert (np.array(variable) == 3).all()


@pytest.mark.parametrize("damage", [lambda b: b[:-50], lambda b: b[:2000] + b"x" + b[2001:], lambda b: b""])
def test_damage_is_seen(tmp_path, damage):
    checkpoints.write(tmp_path, [np.full(1000, 1)], {"epoch": 1})
    path = tmp_path / "epoch-0001.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Exception, match=".+"):
        checkpoints.read_state(path)


def test_a_crash_while_writing_leaves_the_checkpoint_before_intact(tmp_path, monkeypatch):
    checkpoints.write(tmp_path, [np.ones(10)], {"epoch": 1})
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError):
        checkpoints.write(tmp_path, [np.ones(10)], {"epoch": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001.npz"]
    assert checkpoints.read_state(tmp_path / "epoch-0001.npz") == {"epoch": 1}


def test_a_full_disk_leaves_the_checkpoint_before_intact(tmp_path):
    checkpoints.write(tmp_path, [np.ones(10)], {"epoch": 1})
    # a process of its own: the limit would hold for pytest's report, too
    process = multiprocessing.get_context("fork").Process(target=write_with_a_full_disk, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == FULL
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0001.npz"]


def write_with_a_full_disk(folder):
    """Write a checkpoint where no file may grow past a kilobyte; exit with `FULL` where that is refused."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
    try:
        checkpoints.write(folder, [np.ones(10_000)], {"epoch": 2})
    except OSError:
        os._exit(FULL)
