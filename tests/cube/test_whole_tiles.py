"""Patches cut from tiles that were brought to 10 m as a whole, beside patches that were cut out first."""

import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive.index import read_index
from bigearth.archive.windows import find_windows
from bigearth.cube import preprocessing
from bigearth.cube.check import check
from bigearth.cube.cutting import compare_cutting
from bigearth.cube.layout import partial_folder
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.miniature.archive import write_archive
from bigearth.miniature.products import write_products
from bigearth.upsampling import super_resolved
from bigearth.upsampling.tile import super_resolve_tile
from tests.upsampling.small_networks import small


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An archive of twelve patches, its tiles, and small networks: what `write_cube` needs."""
    folder = tmp_path_factory.mktemp("whole")
    archive = write_archive(folder / "archive", patches=12, seed=7)
    write_products(folder / "tiles", archive, driver="GTiff")
    (folder / "weights").mkdir()
    for metres, network in small().items():
        network.save(folder / f"weights/dsen2_{metres}m.keras")
    return {"archive": archive, "workdir": folder, "tiles": folder / "tiles", "weights": folder / "weights"}


@pytest.fixture(scope="module")
def whole(place):
    """The cube whose patches were cut from whole tiles."""
    path = place["workdir"] / "whole.h5"
    write_cube(cube=path, upsampling="dsen2", whole_tiles=True, **place)
    return path


def test_patches_are_windows_of_the_super_resolved_tile(place, whole, tmp_path):
    cube = open_cube(whole)
    names = np.concatenate([cube.patches(split) for split in cube.rows])
    index = read_index(place["archive"], tmp_path)
    windows = find_windows(place["tiles"], index)[0]
    super_resolve_tile(windows.tile, small(), tmp_path / "tile.tif")
    bands = np.moveaxis(gdal.Open(str(tmp_path / "tile.tif")).ReadAsArray(), 0, -1)
    compared = 0
    for name, (left, top) in zip(windows.names, windows.corners * 6, strict=True):
        for row in np.flatnonzero(names == name).tolist():
            expected = bands[top : top + 120, left : left + 120]
            np.testing.assert_array_equal(cube.array("data_super")[row], expected)
            compared += 1
    assert compared
    assert not partial_folder(whole).exists() and check(whole, place["archive"])


def test_cutting_first_differs_at_the_borders_only(place, whole):
    """The small networks look 4 pixels far, and interpolation 1 or 3 more."""
    comparison = compare_cutting(open_cube(whole), place["weights"])
    table = comparison.measure().set_index("distance")
    for metres, reach in ((20, 60), (60, 80)):
        part = table[table.resolution == metres].difference
        assert part.iloc[0] > 0 and (part[part.index > reach] == 0).all()
    found = comparison.summarise().set_index("resolution")
    assert (found["outermost pixels"] > found["farther in"]).all() and found.changed.between(0.01, 0.5).all()
    shown = comparison.show("B11")
    assert np.array_equal(shown["difference"], shown["whole tile"].astype(int) - shown["patch first"])


def test_a_cube_of_patches_is_another_one(place, whole, tmp_path):
    with pytest.raises(InputError, match="whole tiles were super-resolved for one of them, patches for the other"):
        write_cube(cube=whole, upsampling="dsen2", **place)
    assert write_cube(cube=whole, upsampling="dsen2", whole_tiles=True, **place)["kept"]
    write_cube(cube=tmp_path / "cube.h5", upsampling="dsen2", **place)
    assert compare_cutting(open_cube(tmp_path / "cube.h5"), place["weights"]) is None


def test_an_interrupted_tile_goes_on(place, whole, tmp_path, monkeypatch):
    wanted = {"cube": tmp_path / "cube.h5", "upsampling": "dsen2", "whole_tiles": True, **place}
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
    tiles = len(find_windows(place["tiles"], read_index(place["archive"], tmp_path)))
    whole_tile = len(resumed) + len(strips)
    assert whole_tile % tiles == 0 and strips == list(range(4))  # four strips were not made again
    for key in ("data_super", "data_10m"):
        np.testing.assert_array_equal(open_cube(tmp_path / "cube.h5").array(key), open_cube(whole).array(key))


def test_tiles_of_other_networks_are_not_used(place, whole, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    for metres, network in small(seed=5).items():
        network.save(other / f"dsen2_{metres}m.keras")
    wanted = {"cube": tmp_path / "cube.h5", "upsampling": "dsen2", "whole_tiles": True}
    with monkeypatch.context() as patched:
        patched.setattr(preprocessing, "make_datasets", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_cube(**wanted, **place | {"weights": other})
    write_cube(**wanted, **place)
    found = open_cube(tmp_path / "cube.h5").array("data_super")
    np.testing.assert_array_equal(found, open_cube(whole).array("data_super"))
