"""Keys and names in a study's YAML: known ones, of the right type."""

import re
from collections.abc import Collection
from typing import Any

from bigearth.errors import InputError
from bigearth.parameters import convert, shorten, suggest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # it becomes a file name and a job name


def check_keys(content: Any, keys: dict[str, str], where: str, required: Collection[str] = ()) -> dict[str, Any]:
    """Convert the values of a mapping with known keys; a mapping or list without a value is left out."""
    if not isinstance(content, dict):
        raise InputError(f"{where}: must be a mapping with {', '.join(keys)}")
    checked = {}
    for key, value in content.items():
        if key not in keys:
            raise InputError(f"{where}: unknown key {shorten(key)}; {suggest(key, keys)}")
        if value is None and keys[key] in ("int", "str"):
            raise InputError(f"{where}: {key} has no value; give it one or leave the line out")
        if value is not None:
            checked[key] = convert(f"{where}: {key}", value, keys[key])
    for key in required:
        if not checked.get(key):
            raise InputError(f"{where}: {key} is missing")
    return checked


def check_name(text: str, where: str) -> str:
    """The name of a study or run; InputError where it could not be a file name and a job name."""
    if not NAME.fullmatch(text):
        raise InputError(f"{where}: {shorten(text)} cannot be a name; use letters, digits, '.', '_' and '-'")
    return text
