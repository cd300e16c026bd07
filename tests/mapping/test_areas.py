"""The area of each label, counted over blocks."""

import numpy as np

from bigearth.mapping.areas import measure_areas


def test_areas_are_of_what_is_not_masked():
    block = np.array([[[0.9, 0.1], [0.5, 0.5]], [[0.2, 0.7], [np.nan, np.nan]]], np.float32)
    table = measure_areas([(0, block[:1]), (1, block[1:])], ("a", "b"), np.array([0.5, 0.6]), 600)
    assert table.label.tolist() == ["a", "b"] and table.threshold.tolist() == [0.5, 0.6]
    np.testing.assert_allclose(table.km2, [2 * 0.36, 0.36])
    np.testing.assert_allclose(table.share, [2 / 3, 1 / 3])


def test_a_scene_that_is_all_cloud():
    table = measure_areas([(0, np.full((2, 2, 1), np.nan, np.float32))], ("a",), np.array([0.5]), 1200)
    assert table.km2.tolist() == [0.0] and table.share.tolist() == [0.0]
