"""Patches cut from tiles that were brought to 10 m as a whole, beside patches that were cut out first."""

import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive.index import read_index
from bigearth.archive.windows import find_windows
from bigearth.cube import share
from bigearth.cube.check import check
from bigearth.cube.layout import partial_folder
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.upsampling import super_resolved
from bigearth.upsampling.tile import super_resolve_tile
from tests.upsampling.small_networks import small


def test_patches_are_windows_of_the_super_resolved_tile(tiled, whole, tmp_path):
    cube = open_cube(whole)
    names = np.concatenate([cube.patches(split) for split in cube.rows])
    index = read_index(tiled["archive"], tmp_path)
    windows = find_windows(tiled["tiles"], index)[0]
    super_resolve_tile(windows.tile, small(), tmp_path / "tile.tif")
    bands = np.moveaxis(gdal.Open(str(tmp_path / "tile.tif")).ReadAsArray(), 0, -1)
    compared = 0
    for name, (left, top) in zip(windows.names, windows.corners * 6, strict=True):
        for row in np.flatnonzero(names == name).tolist():
            expected = bands[top : top + 120, left : left + 120]
            np.testing.assert_array_equal(cube.array("data_super")[row], expected)
            compared += 1
    assert compared
    assert not partial_folder(whole).exists() and check(whole, tiled["archive"])


def test_a_cube_of_patches_is_another_one(tiled, whole, tmp_path):
    with pytest.raises(InputError, match="whole tiles were super-resolved for one of them, patches for the other"):
        write_cube(cube=whole, upsampling="dsen2", **tiled)
    assert write_cube(cube=whole, upsampling="dsen2", whole_tiles=True, **tiled)["kept"]


def test_an_interrupted_tile_goes_on(tiled, whole, tmp_path, monkeypatch):
    wanted = {"cube": tmp_path / "cube.h5", "upsampling": "dsen2", "whole_tiles": True, **tiled}
    write, strips = super_resolved.SuperResolved.write, []

    def stop_at_the_fourth(*arguments):
        write(*arguments)
        strips.append(arguments[2])
        if len(strips) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(super_resolved.SuperResolved, "write", stop_at_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            write_cube(**wanted)
    resumed = []
    monkeypatch.setattr(
        super_resolved.SuperResolved, "write", lambda *arguments: resumed.append(arguments[2]) or write(*arguments)
    )
    write_cube(**wanted)
    tiles = len(find_windows(tiled["tiles"], read_index(tiled["archive"], tmp_path)))
    whole_tile = len(resumed) + len(strips)
    assert whole_tile % tiles == 0 and strips == list(range(4))  # four strips were not made again
    for key in ("data_super", "data_10m"):
        np.testing.assert_array_equal(open_cube(tmp_path / "cube.h5").array(key), open_cube(whole).array(key))


def test_tiles_of_other_networks_are_not_used(tiled, whole, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    for metres, network in small(seed=5).items():
        network.save(other / f"dsen2_{metres}m.keras")
    wanted = {"cube": tmp_path / "cube.h5", "upsampling": "dsen2", "whole_tiles": True}
    with monkeypatch.context() as patched:
        patched.setattr(share, "make_datasets", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_cube(**wanted, **tiled | {"weights": other})
    write_cube(**wanted, **tiled)
    found = open_cube(tmp_path / "cube.h5").array("data_super")
    np.testing.assert_array_equal(found, open_cube(whole).array("data_super"))
