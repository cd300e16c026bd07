"""Types of values as a parameters cell writes them: "int", "list[str]", "int or None"."""

import ast
import types
import typing
from typing import Any

from bigearth.errors import InputError

SIMPLE_TYPES = {"bool": bool, "int": int, "float": float, "str": str, "dict": dict, "list": list, "Any": Any}
DESCRIPTIONS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a mapping such as {name: value}",
    type(None): "none",
}


def read_type(text: str) -> Any:
    """Read a type from its text: "int", "list[str]", "int | None", or in words "int or None".

    Raises
    ------
    InputError
        The text names another type.
    """
    try:
        return _build_type(ast.parse(text, mode="eval").body)
    except (SyntaxError, KeyError, TypeError):
        raise InputError(
            f"the type {text!r} is unknown; known: {', '.join(SIMPLE_TYPES)}, list[...], '... or None'"
        ) from None


def describe_type(annotation: Any) -> str:
    """Say in words what a type takes: "a whole number or none"."""
    if is_union(annotation):
        return " or ".join(describe_type(option) for option in typing.get_args(annotation))
    if typing.get_origin(annotation) is list:
        examples = {int: "[1, 2]", float: "[0.5, 1]", str: "[one, two]"}
        example = examples.get(typing.get_args(annotation)[0], "[...]")
        return f"a list such as {example}"
    return DESCRIPTIONS.get(annotation, "a list such as [1, 2]")


def is_union(annotation: Any) -> bool:
    """Whether a type is one of several."""
    return typing.get_origin(annotation) in (types.UnionType, typing.Union)


def _build_type(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    if isinstance(node, ast.Name):
        return SIMPLE_TYPES[node.id]
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        options = [_build_type(option) for option in node.values]
        union = options[0]
        for option in options[1:]:
            union = union | option
        return union
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _build_type(node.left) | _build_type(node.right)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "list":
        item: Any = _build_type(node.slice)
        return list[item]
    raise TypeError
