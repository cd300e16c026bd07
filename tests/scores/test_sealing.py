"""Checksums of whole files."""

import h5py
import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.scores.sealing import BLOCK_BYTES, check_seal, seal


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "sealed.h5"
    with h5py.File(path, "w", userblock_size=BLOCK_BYTES) as file:
        file["values"] = np.arange(1000)
    seal(path)
    return path


def test_a_sealed_file_is_still_read_by_hdf5(sealed):
    check_seal(sealed, "train again")
    with h5py.File(sealed) as file:
        assert (file["values"][:] == np.arange(1000)).all()


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: c[:700] + b"x" + c[701:], lambda c: c + b"x"])
def test_damage_is_found_before_hdf5_opens_the_file(sealed, damage):
    sealed.write_bytes(damage(sealed.read_bytes()))
    with pytest.raises(InputError, match="sealed.h5 is damaged.*train again"):
        check_seal(sealed, "train again")


def test_a_file_without_a_seal_is_left_to_its_reader(tmp_path):
    (tmp_path / "older.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    check_seal(tmp_path / "older.h5", "train again")
