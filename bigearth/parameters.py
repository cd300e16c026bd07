"""Convert and check all parameters by their declared type: values from YAML, papermill or an edited cell.

Text is read as a person would mean it ("no" is false for a bool, "1, 2" is a list for a list[int]); a text without such
a meaning is an error in one line.
"""

import datetime
import difflib
import math
import numbers
import os
import re
import reprlib
import typing
from collections.abc import Iterable
from typing import Any

import numpy as np
import yaml

from bigearth.errors import InputError
from bigearth.value_types import describe_type, is_union, read_type
from bigearth.yaml_files import parse_yaml

TRUE_WORDS = {"true", "yes", "on", "y", "1"}
FALSE_WORDS = {"false", "no", "off", "n", "0"}
NONE_WORDS = {"", "none", "null", "~"}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)
SHOWN_LENGTH = 60  # characters of a wrong value that a message shows
TEXT_LENGTH = 10_000  # characters that a parameter may have


class _Mismatch(ValueError):
    """A value is not of the type; the message says why, where the type's description does not."""


def convert(name: str, value: Any, annotation: Any) -> Any:
    """Convert a value to its declared type.

    Parameters
    ----------
    name : str
        For messages: the parameter, with its file where that is known.
    value : any
        Of Python, YAML or JSON, or text that a person typed.
    annotation : type or str
        bool, int, float, str, dict, list[...] or a union of them and None; or the same as text, "int or None".
        In text ``$NAME`` and ``~`` are replaced, ``$$`` is a dollar.

    Returns
    -------
    any

    Raises
    ------
    InputError
        The value cannot be meant as this type, or it names an environment variable that is not set.
    """
    if isinstance(annotation, str):
        annotation = read_type(annotation)
    try:
        return _convert(value, annotation)
    except _Mismatch as error:
        reason = str(error) or f"give {describe_type(annotation)}"
        raise InputError(f"{name} is {shorten(value)}: {reason}") from None


def convert_all(values: dict[str, Any], declared: dict[str, Any], where: str) -> dict[str, Any]:
    """Convert every value to the type declared for its name.

    Parameters
    ----------
    values : dict
    declared : dict
        Name to type, as `convert` takes it.
    where : str
        For messages: the file, notebook or run that the values come from.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        A name is not declared, with the nearest that is; or as `convert`.
    """
    converted = {}
    for name, value in values.items():
        if name not in declared:
            raise InputError(f"{where}: {name!r} is unknown; {suggest(name, declared)}")
        converted[name] = convert(f"{where}: {name}", value, declared[name])
    return converted


def suggest(name: Any, known: Iterable[str]) -> str:
    """Say which known name is nearest to one that is unknown, or which are known."""
    known = list(known)
    folded = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(str(name)[:SHOWN_LENGTH].casefold(), folded, 1)
    if near:
        return f"did you mean {folded[near[0]]!r}?"
    return f"known: {', '.join(known)}"


def escape(value: Any) -> Any:
    """Double each dollar of a converted value, so that converting it again gives the same."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [escape(item) for item in value]
    return value


def _convert(value: Any, annotation: Any) -> Any:
    if isinstance(value, np.generic):  # what an edited cell may hold
        value = value.item()
    if isinstance(value, str):
        _check_text(value)
    if annotation is Any:
        return value
    if is_union(annotation):
        return _convert_union(value, typing.get_args(annotation))
    if annotation is list:
        return _convert_list(value, Any)
    if typing.get_origin(annotation) is list:
        return _convert_list(value, typing.get_args(annotation)[0])
    if annotation in (None, type(None)):
        return _convert_none(value)
    converters = {bool: _convert_bool, int: _convert_int, float: _convert_float, str: _convert_str, dict: _convert_dict}
    return converters[annotation](value)


def _check_text(text: str) -> None:
    """Refuse what no parameter holds."""
    if len(text) > TEXT_LENGTH:
        raise _Mismatch(f"text of {len(text):,} characters; a parameter has at most {TEXT_LENGTH:,}")
    if not text.isprintable():
        raise _Mismatch("it holds a line break or another character that cannot be printed; leave it out")


def _convert_union(value: Any, options: tuple) -> Any:
    """Try none first, then a list where the value looks like one, then the others in their order."""
    looks_like_list = isinstance(value, list | tuple)
    if isinstance(value, str):
        looks_like_list = value.strip().startswith("[") or "," in value

    def rank(option: Any) -> int:
        if option is type(None):
            return 0
        is_list = option is list or typing.get_origin(option) is list
        return 1 if is_list == looks_like_list else 2

    reasons = []
    for option in sorted(options, key=rank):
        try:
            return _convert(value, option)
        except _Mismatch as error:
            reasons.append(str(error))
    raise _Mismatch(next((reason for reason in reasons if reason), ""))


def _convert_none(value: Any) -> None:
    is_none_word = isinstance(value, str) and value.strip().lower() in NONE_WORDS
    if value is not None and not is_none_word:
        raise _Mismatch


def _convert_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        word = str(value).strip().lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
    raise _Mismatch


def _convert_int(value: Any) -> int:
    if _is_number(value, int) and abs(value) < 2**63:
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value.strip(), re.ASCII):
        return int(value)
    number = _convert_float(value)
    if number != int(number) or abs(number) > 2**53:
        raise _Mismatch
    return int(number)


def _convert_float(value: Any) -> float:
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = float(value)
    if not _is_number(value, int) and not _is_number(value, float):
        raise _Mismatch
    try:
        number = float(value)
    except OverflowError:
        raise _Mismatch from None
    if not math.isfinite(number):
        raise _Mismatch
    return number


def _is_number(value: Any, kind: type) -> bool:
    """Whether a value is a number of Python or NumPy; a bool is none."""
    if isinstance(value, bool):
        return False
    generic = {int: "Integral", float: "Real"}[kind]
    return isinstance(value, getattr(numbers, generic))


def _convert_str(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return _expand(value)
    if _is_number(value, int):
        return str(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()  # what YAML made of 2018-05-01
    if isinstance(value, bool | float):
        raise _Mismatch("give text; in YAML write it in quotes, with papermill give it by -r")
    raise _Mismatch


def _expand(text: str) -> str:
    """Replace ``$NAME`` and ``${NAME}`` by the environment's values and ``~`` by the home folder."""

    def replace(match: re.Match) -> str:
        if match[1]:
            return "$"
        variable = match[2] or match[3]
        if variable not in os.environ:
            raise _Mismatch(f"the environment variable {variable} is not set; set it, or write $$ for a dollar")
        return os.environ[variable]

    expanded = VARIABLE.sub(replace, text)
    if not expanded.startswith("~"):
        return expanded
    home = os.path.expanduser(expanded)
    if home.startswith("~"):
        raise _Mismatch("there is no such user; write the folder in full")
    return home


def _convert_list(value: Any, item_type: Any) -> list:
    if value is None or isinstance(value, str) and value.strip().lower() in NONE_WORDS:
        return []
    if isinstance(value, str):
        value = _split_list(value, item_type)
    if not isinstance(value, list | tuple):
        raise _Mismatch
    return [_convert(item, item_type) for item in value]


def _split_list(text: str, item_type: Any) -> list:
    """Read "[a, b]" or "a, b"; one word is a list only of text: 5 is rather a number too few."""
    text = text.strip()
    if text.startswith("["):
        return _load_flow_list(text, item_type)
    words = [word.strip() for word in text.split(",")]
    if len(words) == 1 and item_type is not str:
        raise _Mismatch
    if words[-1] == "":  # a comma may stand at the end
        words.pop()
    if not all(words):
        raise _Mismatch("a place between two commas is empty")
    return words


def _convert_dict(value: Any) -> dict:
    if isinstance(value, str):
        if not value.strip().startswith("{"):
            raise _Mismatch
        value = _load_yaml(value)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise _Mismatch
    return value


def _load_flow_list(text: str, item_type: Any) -> list:
    """Read "[a, b]"; items of a declared type stay text, so that 010 is the same with and without brackets."""
    value = _load_yaml(text)
    if not isinstance(value, list):
        raise _Mismatch
    if item_type is Any:
        return value
    return yaml.load(text, yaml.BaseLoader)  # which makes nothing but text, lists and mappings


def _load_yaml(text: str) -> Any:
    try:
        return parse_yaml(text)
    except ValueError:
        raise _Mismatch from None


def shorten(value: Any) -> str:
    """Show a value in a message: at most some words of it, however long or deep it is."""
    shown = reprlib.Repr()
    shown.maxstring = shown.maxother = SHOWN_LENGTH
    shown.maxlevel = 2
    shown.maxlist = shown.maxdict = 3
    return " ".join(shown.repr(value).split())
