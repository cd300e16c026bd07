import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.training import recipe


def test_learning_rate_is_the_papers():
    rate = recipe.learning_rates(steps=10, epochs=100, workers=4, batch_size=64, warmup=5, milestones=(0.3, 0.6, 0.8))
    peak = 0.1 * 4 * 64 / 256
    assert rate.shape == (100, 10)
    assert rate[0, 0] == 0.1 * 64 / 256 and rate[5, 0] == rate[29, 9] == peak
    assert np.allclose(np.diff(rate[:5].ravel()), np.diff(rate[:5].ravel())[0])  # a straight line
    assert np.allclose([rate[30, 0], rate[60, 0], rate[80, 0], rate[99, 9]], peak * np.array([0.1, 0.01, 1e-3, 1e-3]))


def test_polynomial_decay_ends_near_zero():
    rate = recipe.learning_rates(10, 100, 4, 64, 5, (), schedule="polynomial").ravel()
    assert rate[50] == rate.max() and (np.diff(rate[50:]) < 0).all() and rate[-1] < 1e-5


def test_inputs_are_the_arrays_that_hold_the_bands():
    assert list(recipe.inputs_of("rgb", "network")) == ["data_10m"]
    assert recipe.inputs_of(["B11", "B04"], "network") == {"data_10m": (120, 120, 4), "data_20m": (60, 60, 6)}
    assert recipe.inputs_of("multispectral", "dsen2") == {"data_super": (120, 120, 12)}


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"bands": "infrared"}, "bands = 'infrared'"),
        ({"bands": ["B04", "B10"]}, "unknown B10"),
        ({"bands": []}, "empty or repeated"),
        ({"bands": "multiresolution", "upsampling": "bilinear"}, "native bands"),
        ({"upsampling": "dsen2"}, "data_super of .* is 'bilinear'"),
        ({"warmup": 9, "epochs": 3}, "warmup = 9"),
        ({"milestones": [30, 60]}, "fractions"),
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": 1000}, "larger than a worker's part"),
        ({"batch_size": 20, "workers": 4}, "larger than a worker's part"),
        ({"optimizer": "adam"}, "sgd, lars, lamb"),
        ({"precision": "float64"}, "precision = 'float64'"),
        ({"weights": "imagenet"}, "weights"),
        ({"cube": "no/such/cube.h5"}, "no/such/cube.h5"),
    ],
)
def test_wrong_parameters_are_named(tiny_cube, wrong, said):
    with pytest.raises(InputError, match=said):
        recipe.check_parameters(**{"cube": tiny_cube, "batch_size": 4} | wrong)


def test_the_plan_counts_steps_and_names_classes_without_a_patch(tiny_cube):
    patches = len(open_cube(tiny_cube).rows["train"])
    plan = recipe.check_parameters(cube=tiny_cube, workers=2, batch_size=4)
    assert plan["steps"] == patches // 8 and plan["left_out"] == patches % 8
    opened = open_cube(tiny_cube)
    sums = opened.classes[: len(opened.rows["train"])].sum(axis=0)
    assert plan["without_positive"] == [label for label, n in zip(opened.labels, sums, strict=True) if n == 0]


def test_an_empty_split_is_an_error_unless_allowed(tiny_cube, monkeypatch):
    opened = open_cube(tiny_cube)
    rows = opened.rows | {"validation": range(0, 0)}
    monkeypatch.setattr(recipe, "open_cube", lambda path: replace(opened, rows=rows))
    with pytest.raises(InputError, match="no validation patch"):
        recipe.check_parameters(cube=tiny_cube, batch_size=4)
    plan = recipe.check_parameters(cube=tiny_cube, batch_size=4, allow_empty_splits=True)
    assert plan["scored"] == {"validation": "train", "test": "test"} and "validation" in plan["warnings"][-1]


def test_a_huge_global_batch_is_warned_of_with_plain_sgd(tiny_cube, monkeypatch):
    monkeypatch.setattr(recipe, "STABLE_GLOBAL_BATCH", 8)
    warned = [recipe.check_parameters(cube=tiny_cube, batch_size=9, optimizer=o)["warnings"] for o in ("sgd", "lars")]
    assert any("diverge" in w for w in warned[0]) and not any("diverge" in w for w in warned[1])


def test_checking_needs_no_tensorflow():
    code = "import sys; from bigearth import recipe; sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras')))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
