"""Rows of a cube compared with the archive."""

import shutil

import h5py
import numpy as np
import pytest

from bigearth.cube.check import check
from bigearth.cube.preprocessing import write_cube
from bigearth.errors import InputError
from bigearth.miniature.archive import write_archive
from bigearth.miniature.products import write_products


def test_a_file_without_names_is_compared_by_content(published, tiny_archive):
    lines = check(published, tiny_archive)
    assert any("random patches of tiny are in it, with all pixels and labels" in line for line in lines)


def test_a_file_without_names_of_another_archive(published, tmp_path):
    other = write_archive(tmp_path / "other", patches=30, seed=8)
    with pytest.raises(InputError, match="holds none of .* random patches"):
        check(published, other)


def test_a_file_without_names_with_other_labels(published, tiny_archive):
    with h5py.File(published, "r+") as file:
        file["classes"][...] = np.roll(file["classes"][:], 1, axis=0)
    with pytest.raises(InputError, match="but not its labels"):
        check(published, tiny_archive)


def test_a_cube_without_names_is_not_taken_for_a_published_one(copied, tiny_archive):
    with h5py.File(copied, "r+") as file:
        del file["patch"]
    with pytest.raises(InputError, match="has no dataset patch"):
        check(copied, tiny_archive)


def test_an_archive_of_the_other_version(tiny_cube, tmp_path):
    other = write_archive(tmp_path / "second", patches=30, seed=7, version=2)
    with pytest.raises(InputError, match="is v2.0, .* was made from v1.0"):
        check(tiny_cube, other)


def test_a_patch_that_the_archive_has_not(tiny_cube, tiny_archive, tmp_path):
    archive = tmp_path / "few"
    shutil.copytree(tiny_archive, archive)
    for folder in sorted(archive.glob("S2*"))[1:]:
        shutil.rmtree(folder)
    with pytest.raises(InputError, match="has no patch S2"):
        check(tiny_cube, archive)


def test_version_2_and_its_places(tmp_path):
    archive = write_archive(tmp_path / "second", patches=30, seed=7, version=2)
    write_cube(cube=tmp_path / "cube.h5", archive=archive, workdir=tmp_path)
    assert any("pixels, labels and places" in line for line in check(tmp_path / "cube.h5", archive))


def test_patches_cut_from_tiles_are_compared_by_labels_and_places(tiny_archive, tmp_path):
    write_products(tmp_path / "tiles", tiny_archive)
    write_cube(cube=tmp_path / "cube.h5", archive=tiny_archive, workdir=tmp_path, tiles=tmp_path / "tiles")
    assert any("pixels are those of tiles" in line for line in check(tmp_path / "cube.h5", tiny_archive))
