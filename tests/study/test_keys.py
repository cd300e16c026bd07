"""Keys and names of a study's YAML."""

import pytest

from bigearth.errors import InputError
from bigearth.study.keys import check_keys, check_name

KEYS = {"name": "str", "repeats": "int", "after": "list[str]", "parameters": "dict"}


def test_values_are_converted_and_empty_lists_left_out():
    content = {"name": 2024, "repeats": "2", "after": "a", "parameters": None}
    assert check_keys(content, KEYS, "here") == {"name": "2024", "repeats": 2, "after": ["a"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (5, "^here: must be a mapping with name, repeats, after, parameters$"),
        ({"nmae": "a"}, "^here: unknown key 'nmae'; did you mean 'name'[?]$"),
        ({"name": None}, "^here: name has no value; give it one or leave the line out$"),
        ({"repeats": "x"}, "^here: repeats is 'x': give a whole number$"),
        ({}, "^here: name is missing$"),
        ({1: 2}, "^here: unknown key 1; known: "),
    ],
)
def test_what_cannot_be_meant(content, message):
    with pytest.raises(InputError, match=message):
        check_keys(content, KEYS, "here", required=("name",))


@pytest.mark.parametrize("name", ["", "../up", "a b", "a/b", "-a", ".a", "a\n", "a" * 101, "a; rm -rf $HOME"])
def test_names_that_could_not_be_a_file(name):
    with pytest.raises(InputError, match="cannot be a name"):
        check_name(name, "here")
