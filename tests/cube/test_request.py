"""Parameters of `write_cube`: of the right type, or refused in one line before anything is read or written."""

import numpy as np
import pytest

from bigearth.cube.request import make_request
from bigearth.errors import InputError

GIVEN = {
    "cube": "/data/cube.h5",
    "archive": "/data/archive",
    "workdir": "/data/work",
    "exclude": ["list.csv"],
    "splits": "random",
    "nomenclature": None,
    "upsampling": "none",
    "seed": 1,
    "tiles": "",
    "weights": "",
    "distribution": "longest_first",
    "whole_tiles": False,
}


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("seed", "1", 1),
        ("seed", np.int64(1), 1),
        ("seed", 1.0, 1),
        ("nomenclature", "43", 43),
        ("nomenclature", 19.0, 19),
        ("exclude", None, []),
        ("exclude", ("a.csv",), ["a.csv"]),
        ("splits", None, ""),
        ("tiles", None, None),
    ],
)
def test_what_is_meant(name, value, expected):
    found = getattr(make_request(**GIVEN | {name: value}), name)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    "name, value",
    [
        ("seed", None),
        ("seed", True),
        ("seed", 1.5),
        ("seed", 2**70),
        ("seed", [1]),
        ("nomenclature", 0),
        ("nomenclature", True),
        ("splits", 5),
        ("splits", ["random"]),
        ("upsampling", ["bilinear"]),
        ("distribution", []),
        ("exclude", "list.csv"),
        ("exclude", [None]),
        ("exclude", [""]),
        ("exclude", 5),
        ("tiles", True),
        ("weights", 5),
        ("cube", b"cube.h5"),
        ("cube", None),
        ("workdir", None),
        ("archive", 5),
    ],
)
def test_what_cannot_be_meant(name, value):
    with pytest.raises(InputError, match=name) as error:
        make_request(**GIVEN | {name: value})
    assert "\n" not in str(error.value) and ": give" in str(error.value)


@pytest.mark.parametrize("given", [{"tiles": "/data/tiles"}, {"upsampling": "dsen2"}])
def test_whole_tiles_need_tiles_and_dsen2(given):
    with pytest.raises(InputError, match="whole_tiles is for upsampling 'dsen2' of tiles: give both, or set"):
        make_request(**GIVEN | given | {"whole_tiles": True})
    both = {"tiles": "/data/tiles", "upsampling": "dsen2"}
    assert make_request(**GIVEN | both | {"whole_tiles": "true"}).whole_tiles is True
