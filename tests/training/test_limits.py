"""Limits of a recipe's values: each wrong one is refused in a line."""

import pytest

from bigearth.errors import InputError
from bigearth.training.recipe import Recipe


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"bands": "infrared"}, "bands is 'infrared'"),
        ({"bands": ["B04", "B10"]}, "unknown B10"),
        ({"bands": []}, "empty or repeated"),
        ({"bands": ["B04", "B04"]}, "empty or repeated"),
        ({"bands": "multiresolution", "upsampling": "bilinear"}, "native bands"),
        ({"bands": "multiresolution", "blocks": [1]}, "needs two stages"),
        ({"warmup": 9, "epochs": 3}, "warmup is 9"),
        ({"warmup": "many"}, "warmup"),
        ({"milestones": [30, 60]}, "fractions"),
        ({"milestones": [float("nan")]}, "milestones"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": True}, "epochs"),
        ({"epochs": 2.5}, "epochs"),
        ({"width": 10**9}, "width is 1000000000"),
        ({"blocks": []}, "blocks"),
        ({"blocks": "3463"}, "blocks"),
        ({"blocks": [1, 0]}, "blocks"),
        ({"blocks": [1] * 9}, "blocks"),
        ({"seed": "x"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": -1}, "seed is -1"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"optimizer": "adam"}, "sgd, lars, lamb"),
        ({"precision": "float64"}, "precision is 'float64'"),
        ({"weights": "imagenet"}, "weights"),
        ({"weights": "no/such/file.h5", "bands": "rgb", "width": 64, "blocks": [3, 4, 6, 3]}, "no such file"),
        ({"optimizer_options": {"gradient_accumulation_steps": "many"}}, "gradient_accumulation_steps"),
        ({"optimizer_options": 5}, "optimizer_options"),
        ({"optimizer_options": {"clipnrm": 1.0}}, "'clipnrm' is no option of 'lamb'; did you mean 'clipnorm'"),
        ({"optimizer_options": {"nesterov": True}, "optimizer": "lamb"}, "'nesterov' is no option of 'lamb'"),
        ({"optimizer_options": {"clipnorm": "x"}}, "clipnorm is 'x'"),
        ({"optimizer_options": {"clipnorm": float("nan")}}, "clipnorm is nan"),
        ({"optimizer_options": {"clipnorm": 10**400}}, "clipnorm is 1000.*must be a number"),
        ({"optimizer_options": {"weight_decay": True}}, "weight_decay is True: must be a number"),
        ({"optimizer_options": {"beta_1": 5}}, "beta_1 is 5: must lie between 0 and 1"),
        ({"optimizer_options": {"nesterov": 0.5}, "optimizer": "sgd"}, "nesterov is 0.5: must be true or false"),
        ({"seed": 10**400}, "seed is 1000"),
        ({"augment": "perhaps"}, "augment"),
    ],
)
def test_wrong_values_are_an_error_in_one_line(wrong, said):
    with pytest.raises(InputError, match=said) as caught:
        Recipe(**wrong)
    assert "\n" not in str(caught.value)
