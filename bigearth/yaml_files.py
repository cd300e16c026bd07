"""Read YAML of others: plain values, not too many and not too deep, else an error in one line."""

import re
from pathlib import Path
from typing import Any

import yaml

from bigearth.errors import InputError
from bigearth.outside import MEGABYTE, read_text

YAML_LIMIT = MEGABYTE // 4  # a study has some kilobytes; the parser takes about 3 s for this much

YAML_NODES = 20_000  # counted as if every alias were written out
YAML_DEPTH = 50


class _YamlLoader(yaml.SafeLoader):
    """YAML as a person reads it: 10:00:00, 2024-05-01, 2024_05 and 007 stay text, 1e-3 is a number."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "null", "merge")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Refuse a key that stands twice; PyYAML takes the last one."""
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, str(key_node.value))
            if key in seen and not key_node.tag.endswith(":merge"):
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key_node.value!r} stands twice in one mapping")
            seen.add(key)
        return super().construct_mapping(node, deep)


_NUMBER_STARTS = list("-+0123456789.")

_FLOAT = r"[-+]?((0|[1-9][0-9]*)?\.[0-9]+|(0|[1-9][0-9]*)\.)([eE][-+]?[0-9]+)?$|[-+]?[1-9][0-9]*[eE][-+]?[0-9]+$"
_INFINITE = r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
_YamlLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9]*)$"), _NUMBER_STARTS)
_YamlLoader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(_FLOAT + _INFINITE), _NUMBER_STARTS)


def read_yaml(path: str | Path, what: str) -> Any:
    """Read a YAML file of plain values.

    Times (``10:00:00``), dates and numbers with leading zeros stay text, ``1e-3`` is a number.

    Raises
    ------
    InputError
        As `read_text`; also where the file is not valid YAML, holds a key twice or objects of Python, is larger or
        deeper than a study needs, or where its aliases multiply or lead in a circle.
    """
    text = read_text(path, what, YAML_LIMIT)
    try:
        return parse_yaml(text)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{what} {path} is not valid YAML ({reason}): correct it") from None


def parse_yaml(text: str) -> Any:
    """Parse a text of plain values as `read_yaml` does; ValueError says why it cannot be read."""
    try:
        _check_depth(text)
        loader = _YamlLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _count_nodes(root, {})
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _count_nodes(node: yaml.Node, counted: dict[int, int]) -> int:
    """Count nodes as if every alias were written out; 0 in `counted` marks a node whose inside is being counted."""
    number = counted.get(id(node))
    if number == 0:
        raise ValueError("an alias leads back to itself")
    if number is None:
        counted[id(node)] = 0
        number = 1
        if isinstance(node, yaml.SequenceNode):
            number += sum(_count_nodes(item, counted) for item in node.value)
        elif isinstance(node, yaml.MappingNode):
            number += sum(_count_nodes(item, counted) for pair in node.value for item in pair)
        counted[id(node)] = number
    if number > YAML_NODES:
        raise ValueError(f"more than {YAML_NODES:,} values, aliases counted as if written out")
    return number


def _check_depth(text: str) -> None:
    """Refuse deep nesting before PyYAML composes the nodes, which it does recursively."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > YAML_DEPTH:
            raise ValueError(f"nested more than {YAML_DEPTH} levels deep")
