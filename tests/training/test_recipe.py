"""The recipe: its checks against a cube, and its learning rates."""

import ast
import json
import pickle
import subprocess
import sys
from dataclasses import fields, replace

import nbformat
import numpy as np
import pytest

from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.training import recipe as recipe_module
from bigearth.training.recipe import Recipe

BESIDE_THE_RECIPE = {"run", "cube", "workers", "launcher", "classify", "workdir", "results"}


def test_notebook_and_recipe_have_the_same_parameters_types_and_defaults():
    notebook = nbformat.read(ROOT / "notebooks/03_training.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    declared, types = {}, {}
    for statement in ast.parse(cell.source).body:
        name = statement.target.id
        if name not in BESIDE_THE_RECIPE:
            declared[name] = ast.literal_eval(statement.value)
            annotation = statement.annotation
            types[name] = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    assert declared == Recipe().as_dict() and list(declared) == [each.name for each in fields(Recipe)]
    for each in fields(Recipe):
        written = each.type.__name__ if isinstance(each.type, type) and "[" not in str(each.type) else str(each.type)
        assert types[each.name].replace(" or ", " | ") == written


def test_a_recipe_survives_pickle_and_json():
    recipe = Recipe(bands=["B04", "B11"], optimizer_options={"clipnorm": 1.0})
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert Recipe(**json.loads(json.dumps(recipe.as_dict()))) == recipe


def test_learning_rate_is_the_papers():
    paper = Recipe(epochs=100, batch_size=64, warmup=5, milestones=[0.3, 0.6, 0.8], learning_rate=0.1)
    rate = paper.learning_rates(steps=10, workers=4)
    peak = 0.1 * 4 * 64 / 256
    assert rate.shape == (100, 10)
    assert rate[0, 0] == 0.1 * 64 / 256 and rate[5, 0] == rate[29, 9] == peak
    assert np.allclose(np.diff(rate[:5].ravel()), np.diff(rate[:5].ravel())[0])  # a straight line
    assert np.allclose([rate[30, 0], rate[60, 0], rate[80, 0], rate[99, 9]], peak * np.array([0.1, 0.01, 1e-3, 1e-3]))


def test_polynomial_decay_ends_near_zero():
    recipe = Recipe(epochs=100, batch_size=64, warmup=5, learning_rate=0.1, schedule="polynomial")
    rate = recipe.learning_rates(steps=10, workers=4).ravel()
    assert rate[50] == rate.max() and (np.diff(rate[50:]) < 0).all() and rate[-1] < 1e-5


def test_inputs_are_the_arrays_that_hold_the_bands():
    assert list(Recipe(bands="rgb").inputs) == ["data_10m"]
    assert Recipe(bands=["B11", "B04"]).inputs == {"data_10m": (120, 120, 4), "data_20m": (60, 60, 6)}
    assert Recipe(upsampling="dsen2").inputs == {"data_super": (120, 120, 12)}


def test_imagenet_wants_blue_first(tmp_path):
    (tmp_path / "weights.h5").write_text("")
    full = {"bands": "rgb", "width": 64, "blocks": [3, 4, 6, 3]}
    assert Recipe(**full).band_names == ("B04", "B03", "B02")
    assert Recipe(**full, weights=str(tmp_path / "weights.h5")).band_names == ("B02", "B03", "B04")


@pytest.mark.parametrize(
    "name, given, meant",
    [
        ("augment", "false", False),
        ("class_weights", "no", False),
        ("oversampling", "on", True),
        ("augment", "0", False),
        ("warmup", "5", 5),
        ("epochs", "2e1", 20),
        ("learning_rate", "1e-3", 1e-3),
        ("blocks", "[1, 1, 1, 1]", [1, 1, 1, 1]),
        ("weights", "none", None),
        ("blocks", (3, 4, 6, 3), [3, 4, 6, 3]),
    ],
)
def test_text_means_what_a_person_means_by_it(name, given, meant):
    value = getattr(Recipe(**{name: given}), name)
    assert value == meant and type(value) is type(meant)


def test_a_misspelt_name_is_an_error_with_the_nearest_one():
    with pytest.raises(InputError, match="'learning_rat' is no parameter.*learning_rate"):
        Recipe.from_options(learning_rat=0.1)
    assert Recipe.from_options(epochs=3).epochs == 3


@pytest.mark.parametrize(
    "wrong, workers, said",
    [
        ({"upsampling": "dsen2"}, 1, "data_super of .* is 'bilinear'"),
        ({"batch_size": 1000}, 1, "larger than a worker's part"),
        ({"batch_size": 20}, 4, "larger than a worker's part"),
        ({"batch_size": 4}, 0, "workers is 0"),
        ({"batch_size": 4}, 2.5, "workers is 2.5"),
        ({"batch_size": 4}, float("nan"), "workers is nan"),
        ({"batch_size": 4}, True, "workers is True"),
        ({"batch_size": 4}, "2", "workers is '2'"),
    ],
)
def test_a_recipe_that_does_not_fit_the_cube_is_refused(tiny_cube, wrong, workers, said):
    with pytest.raises(InputError, match=said):
        Recipe(**wrong).check(open_cube(tiny_cube), workers)


def test_the_workload_counts_steps_and_names_classes_without_a_patch(tiny_cube):
    cube = open_cube(tiny_cube)
    patches = len(cube.rows["train"])
    workload = Recipe(batch_size=4).check(cube, workers=2)
    assert workload.steps == patches // 8 and workload.left_out == patches % 8
    sums = cube.classes[:patches].sum(axis=0)
    assert workload.without_positive == [label for label, n in zip(cube.labels, sums, strict=True) if n == 0]


def test_an_empty_split_is_an_error_unless_allowed(tiny_cube):
    opened = open_cube(tiny_cube)
    cube = replace(opened, rows=opened.rows | {"validation": range(0, 0)})
    with pytest.raises(InputError, match="no validation patch"):
        Recipe(batch_size=4).check(cube, workers=1)
    workload = Recipe(batch_size=4, allow_empty_splits=True).check(cube, workers=1)
    assert workload.scored == {"validation": "train", "test": "test"} and "validation" in workload.warnings[-1]


def test_a_huge_global_batch_is_warned_of_with_plain_sgd(tiny_cube, monkeypatch):
    monkeypatch.setattr(recipe_module, "STABLE_BELOW_BATCH", 8)
    cube = open_cube(tiny_cube)
    assert any("diverge" in warning for warning in Recipe(batch_size=9, optimizer="sgd").check(cube, 1).warnings)
    assert not any("diverge" in warning for warning in Recipe(batch_size=9, optimizer="lars").check(cube, 1).warnings)


@pytest.mark.parametrize("module", ["recipe", "start", "records"])
def test_checking_needs_no_tensorflow(module):
    code = f"import sys; from bigearth.training import {module}"
    code += "; sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras')))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
