"""Places in the cube: stored, read back, shown by xarray by name; old cubes open without them."""

import h5py
import numpy as np
import pandas as pd
import pytest

from bigearth.archive.index import read_index
from bigearth.cube.check import check
from bigearth.cube.layout import AXES, PLACE
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.patch import BANDS, BANDS_20M, SPLITS


def test_places_are_those_of_the_index(tiny_cube, tiny_archive, tmp_path):
    cube, index = open_cube(tiny_cube), read_index(tiny_archive, tmp_path).set_index("patch")
    for split in SPLITS:
        places = cube.places(split)
        expected = index.loc[cube.patches(split), list(PLACE)]
        assert (places.to_numpy() == expected.to_numpy()).all()
        assert pd.api.types.is_datetime64_any_dtype(places.date)


def test_xarray_shows_patches_bands_and_labels_by_name(tiny_cube):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    cube = open_cube(tiny_cube)
    with xarray.open_dataset(tiny_cube, engine="h5netcdf") as data:
        names = np.concatenate([cube.patches(split) for split in SPLITS])
        assert data.patch.values.tolist() == names.tolist()
        assert data.label.values.tolist() == list(cube.labels)
        assert data.band.values.tolist() == list(BANDS) and data.band_20m.values.tolist() == list(BANDS_20M)
        assert data.data_20m.dims == ("patch", "y_20m", "x_20m", "band_20m")
        chosen = data.data_super.sel(patch=names[3], band="B8A", x_10m=15, y_10m=25)
        assert int(chosen) == cube.array("data_super")[3, 2, 1, BANDS.index("B8A")]
        assert data.date.dtype.kind == "M" and data.date.values[0] == cube.places("train").date[0]
        present = data.classes.sel(patch=names[3]) == 1
        assert set(data.label.values[present]) == {cube.labels[i] for i in np.flatnonzero(cube.classes[3])}


def test_axes_do_not_move_pixels(tiny_cube):
    """Datasets of pixels are contiguous, begin at pages, and follow one another without a gap of more than a page."""
    with h5py.File(tiny_cube) as file:
        end = 4096
        for key in ("data_10m", "data_20m", "data_60m", "data_super"):
            offset, size = file[key].id.get_offset(), file[key].id.get_storage_size()
            assert offset % 4096 == 0 and 0 <= offset - end < 2 * 4096
            end = offset + size


def test_an_old_cube_opens_without_places(copied):
    with h5py.File(copied, "r+") as file:
        for key in PLACE:
            del file[key]
        del file.attrs["attributes_checksum"]
    assert open_cube(copied).places("train") is None
    assert any("no places" in line for line in check(copied))


def far_away(file):
    file["epsg"][0] = 4326


def before_launch(file):
    file["date"][0] = 0


def without_y(file):
    del file["y"]


def other_unit(file):
    file["date"].attrs["units"] = "days since 2000-01-01"


def other_axis(file):
    file["data_10m"].dims[3].detach_scale(file["band_10m"])
    file["data_10m"].dims[3].attach_scale(file["band_20m"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (far_away, "not all UTM zones"),
        (before_launch, "before Sentinel-2's launch"),
        (without_y, "has no dataset y"),
        (other_unit, "attributes of date"),
        (other_axis, "axes of data_10m"),
    ],
)
def test_check_finds_other_places(copied, damage, message):
    with h5py.File(copied, "r+") as file:
        damage(file)
    with pytest.raises(InputError, match=message):
        check(copied)


def test_every_axis_has_a_name(tiny_cube):
    with h5py.File(tiny_cube) as file:
        for key, scales in AXES.items():
            assert file[key].ndim == len(scales)
