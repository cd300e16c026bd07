"""Types of values: read from their text, described in words."""

import pytest

from bigearth.errors import InputError
from bigearth.value_types import describe_type, is_union, read_type


@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("int", int, "a whole number"),
        ("int or None", int | None, "a whole number or none"),
        ("int | None", int | None, "a whole number or none"),
        ("str or list[str]", str | list[str], "text or a list such as [one, two]"),
        ("list[int]", list[int], "a list such as [1, 2]"),
        ("dict or None", dict | None, "a mapping such as {name: value} or none"),
        ("bool", bool, "true or false"),
    ],
)
def test_types_are_read_and_described(text, expected, words):
    assert read_type(text) == expected and describe_type(expected) == words
    assert is_union(expected) == (" or " in text or " | " in text)


def test_unknown_types_are_told():
    for text in ("Path", "list[Path]", "1", "print()", "int and None", ""):
        with pytest.raises(InputError, match="the type .* is unknown"):
            read_type(text)
