"""Patches of whole super-resolved tiles beside patches that were cut out first: where, and how much, they differ."""

import numpy as np

from bigearth.cube.cutting import compare_cutting
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.reading import open_cube


def test_cutting_first_differs_at_the_borders_only(tiled, whole):
    """The small networks look 4 pixels far, and interpolation 1 or 3 more."""
    comparison = compare_cutting(open_cube(whole), tiled["weights"])
    table = comparison.measure().set_index("distance")
    for metres, reach in ((20, 60), (60, 80)):
        part = table[table.resolution == metres].difference
        assert part.iloc[0] > 0 and (part[part.index > reach] == 0).all()
    found = comparison.summarise().set_index("resolution")
    assert (found["outermost pixels"] > found["farther in"]).all() and found.changed.between(0.01, 0.5).all()
    shown = comparison.show("B11")
    assert np.array_equal(shown["difference"], shown["whole tile"].astype(int) - shown["patch first"])


def test_a_cube_of_patches_has_nothing_to_compare(tiled, tmp_path):
    write_cube(cube=tmp_path / "cube.h5", upsampling="dsen2", **tiled)
    assert compare_cutting(open_cube(tmp_path / "cube.h5"), tiled["weights"]) is None
