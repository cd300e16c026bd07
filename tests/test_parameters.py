"""The door for parameters: what a person types is what happens, or an error in one line."""

import datetime
import math

import numpy as np
import pytest

from bigearth import parameters
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.parameters import convert, convert_all


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("false", "bool", False), ("no", "bool", False), ("off", "bool", False), ("0", "bool", False),
        ("False", "bool", False), (0, "bool", False), ("true", "bool", True), ("Yes ", "bool", True),
        (1, "bool", True), (True, "bool", True),
        ("5", "int", 5), (5.0, "int", 5), ("1e3", "int", 1000), (-1, "int", -1), (" 7 ", "int", 7),
        ("1e-3", "float", 0.001), (1, "float", 1.0), (".5", "float", 0.5), ("-2", "float", -2.0),
        (2024, "str", "2024"), ("2024", "str", "2024"), ("", "str", ""), ("null", "str", "null"),
        (datetime.date(2018, 5, 1), "str", "2018-05-01"), (ROOT, "str", str(ROOT)),
        ("null", "int or None", None), ("none", "int | None", None), ("None", int | None, None),
        ("", "int or None", None), (None, "int or None", None), ("2", "int or None", 2), (0, "int or None", 0),
        ("none", "str or None", None), ("imagenet", "str or None", "imagenet"),
        ("[1, 1, 1, 1]", "list[int]", [1, 1, 1, 1]), ("1,1,1,1", list[int], [1, 1, 1, 1]),
        ((1, 2), "list[int]", [1, 2]),
        ("[]", "list[int]", []), ("", "list[str]", []), (None, "list[str]", []),
        ("[0.3, 1e-1]", "list[float]", [0.3, 0.1]), ([1], "list[float]", [1.0]),
        ("list.csv", "list[str]", ["list.csv"]), ("a.csv, b.csv", "list[str]", ["a.csv", "b.csv"]),
        (["a", 2024], "list[str]", ["a", "2024"]), ("[a, 'b']", "list[str]", ["a", "b"]),
        ("rgb", "str or list[str]", "rgb"), ("[B02, B03]", "str or list[str]", ["B02", "B03"]),
        ("B02,B03", "str or list[str]", ["B02", "B03"]), (["B02"], str | list[str], ["B02"]),
        ("[010, 1]", "list[int]", [10, 1]), ("[010, 2024_05]", "list[str]", ["010", "2024_05"]),
        ("[1.10, no]", "list[str]", ["1.10", "no"]), ("[a, 10:30]", "str or list[str]", ["a", "10:30"]),
        (np.bool_(False), "bool", False), (np.int64(3), "int", 3), (np.str_("no"), "bool", False),
        ("{clipnorm: 1.0}", "dict or None", {"clipnorm": 1.0}), ({}, "dict", {}), ("none", "dict or None", None),
    ],
)  # fmt: skip
def test_text_means_what_a_person_means(value, annotation, expected):
    converted = convert("x", value, annotation)
    assert converted == expected and type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("maybe", "bool"), (2, "bool"), (0.0, "bool"), (None, "bool"), ("", "bool"), ([], "bool"),
        (True, "int"), (False, "float"), (math.nan, "int"), (math.inf, "int"), (2.5, "int"), ("x", "int"), ("", "int"),
        ("2.5", "int"), ("nan", "int"), ("0x10", "int"), ("1_000", "int"), ("1,000", "int"), (None, "int"),
        ("٥", "int"),
        (math.nan, "float"), (-math.inf, "float"), ("inf", "float"), ("1e400", "float"), ("1,5", "float"),
        (10**400, "float"),
        (True, "str"), (1.1, "str"), (None, "str"), ([], "str"), ({}, "str"), ("a\nb", "str"), ("a\0b", "str"),
        (datetime.datetime(2018, 5, 1), "str"), ("a" * 20_000, "str"),
        ("two", "int or None"), (2.5, "int or None"), (math.nan, "int or None"), (True, "int or None"),
        (5, "list[int]"), ("5", "list[int]"), ("3463", "list[int]"), ([1, True], "list[int]"), ([1, None], "list[int]"),
        ("[1, x]", "list[int]"), ("[1", "list[int]"), ({"a": 1}, "list[str]"), ([["a"]], "list[str]"),
        ([1.5], "str or list[str]"), (2.5, "str or list[str]"), ([1], "dict"), ("a", "dict"),
        ({1: 2}, "dict"), ("{a", "dict"), ("[10:30]", "list[int]"), (10**400, "int"), ("[1_000]", "list[int]"),
        ("{a: 1, a: 2}", "dict"), ("{a: &x [*x]}", "dict"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_an_error_in_one_line(value, annotation):
    with pytest.raises(InputError) as told:
        convert("x", value, annotation)
    message = str(told.value)
    assert message.startswith("x is ") and "\n" not in message and len(message) < 300


def test_converting_again_changes_nothing():
    for value, annotation in (("false", "bool"), ("[1, 2]", "list[int]"), ("rgb", "str or list[str]")):
        once = convert("x", value, annotation)
        assert convert("x", once, annotation) == once


def test_variables_in_paths(monkeypatch):
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert convert("cube", "$SCRATCH/cube.h5", "str") == "/scratch/me/cube.h5"
    assert convert("cube", "a/${SCRATCH}x", "str") == "a//scratch/mex"
    assert convert("exclude", ["$SCRATCH/a.csv"], "list[str]") == ["/scratch/me/a.csv"]
    assert convert("cube", "~/cube.h5", "str") == "/home/me/cube.h5"
    assert convert("cube", "a$$b", "str") == "a$b"
    for wrong, named in (
        ("$NOWHERE/a", "NOWHERE is not set"),
        ("${NOWHERE}", "NOWHERE is not set"),
        ("~nobody-here/a", "user"),
    ):
        with pytest.raises(InputError, match=named):
            convert("cube", wrong, "str")


def test_what_was_converted_can_be_given_again():
    assert convert("x", parameters.escape("a$HOME"), "str") == "a$HOME"
    assert convert("x", parameters.escape(["$$"]), "list[str]") == ["$$"]
    assert parameters.escape(5) == 5


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(InputError, match="^here: 'epoch' is unknown; did you mean 'epochs'[?]$"):
        convert_all({"epoch": 1}, {"epochs": "int", "run": "str"}, "here")
    with pytest.raises(InputError, match="known: epochs, run"):
        convert_all({"quite other": 1}, {"epochs": "int", "run": "str"}, "here")
    with pytest.raises(InputError, match="^here: epochs is 'x': give a whole number$"):
        convert_all({"epochs": "x"}, {"epochs": "int"}, "here")
    assert parameters.suggest("EPOCHS", ["epochs"]) == "did you mean 'epochs'?"


def test_a_value_that_multiplies_is_shown_short():
    value = ["x" * 1000]
    for _ in range(40):
        value = [value, value]
    with pytest.raises(InputError) as told:
        convert("x", value, "int")
    assert len(str(told.value)) < 300


@pytest.mark.parametrize("text", [",", ",,", "1,,2", ", 1"])
def test_an_empty_place_in_a_list_is_an_error(text):
    with pytest.raises(InputError, match="a place between two commas is empty|a list such as"):
        convert("blocks", text, list[int])


def test_a_comma_may_end_a_list():
    assert convert("blocks", "1, 2,", list[int]) == [1, 2]
