"""Windows of a scene, and what share of each is masked or missing."""

import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.mapping.reading import Reader, find_missing, measure_masked, read_true_colour
from bigearth.mapping.scene import open_scene
from bigearth.miniature.rasters import write_tif
from bigearth.patch import BANDS_AT, PIXELS
from tests.mapping.test_scene import NAME, write_folder


def make_window(value=5):
    return {metres: np.full((PIXELS[metres],) * 2 + (len(BANDS_AT[metres]),), value, np.uint16) for metres in PIXELS}


def test_a_pixel_is_missing_where_all_bands_are_zero():
    window = make_window()
    for metres, factor in ((10, 6), (20, 3), (60, 1)):
        window[metres][: 2 * factor, :factor] = 0
    window[10][60:] = 0  # dark in the 10 m bands only
    missing = find_missing(window)
    assert missing[:2, 0].all() and missing.sum() == 2


def test_masked_share_joins_the_mask_and_missing_pixels():
    window = make_window()
    for metres, factor in ((10, 6), (20, 3), (60, 1)):
        window[metres][: 10 * factor] = 0
    mask = np.zeros((20, 60))
    mask[5:, 20:40] = 1
    assert measure_masked(window, None, 20) == 0.5
    assert measure_masked(window, mask, 20) == 1.0
    assert measure_masked(window, mask, 40) == 0.5
    assert measure_masked(make_window(), mask, 30) == pytest.approx(0.75 / 2)


def test_values_of_a_scene_classification(tmp_path):
    folder = write_folder(tmp_path / NAME)
    classes = np.full((120, 120), 4, np.uint16)
    classes[:60, :60] = 9
    classes[:60, 60:] = 6
    classes[60:, 60:] = 11
    write_tif(folder / "SCL.tif", classes, 500000, 5400000, 20, 32633)
    reader = Reader(open_scene(folder, tmp_path / "work"))
    np.testing.assert_array_equal(reader.read_mask(0), np.repeat([[1.0, 0.0]], 20, axis=1).repeat(20, axis=0))
    np.testing.assert_array_equal(reader.read_mask(20)[:, [0, 39]], [[0.0, 1.0]] * 20)


def test_windows_without_the_offset_and_a_damaged_mask(tmp_path):
    folder = write_folder(tmp_path / NAME, mask=np.ones((240, 240)))
    reader = Reader(open_scene(folder, tmp_path / "work"))
    windows = list(reader.read_windows(7, np.array([0, 3, 20])))
    assert len(windows) == 3 and all((window[20] == 500).all() for window in windows)
    with pytest.raises(InputError, match="damaged near row"):
        reader.read_mask(30)  # beyond the file, as in one that was cut off


def test_true_colour_is_small_and_has_the_scenes_shape(tmp_path):
    scene = open_scene(write_folder(tmp_path / NAME), tmp_path / "work")
    assert read_true_colour(scene, 60).shape == (60, 60, 3)
    assert read_true_colour(scene, 1000).shape == (240, 240, 3)
