"""One way to read a file that others wrote: text, JSON, YAML, CSV and Parquet, each whole or refused in one line.

A file must be a regular one (a pipe would wait for ever), of bounded size, and UTF-8 where it holds text.
"""

import csv
import gzip
import io
import json
import math
import os
import re
import stat
import types
import typing
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import yaml

from bigearth.errors import InputError

MEGABYTE = 1 << 20
TEXT_LIMIT = 256 * MEGABYTE  # all 590,326 patch names are 20 MB
JSON_LIMIT = 64 * MEGABYTE
YAML_LIMIT = MEGABYTE // 4  # a study has some kilobytes; the parser takes about 3 s for this much
PARQUET_LIMIT = 4096 * MEGABYTE
YAML_NODES = 20_000  # counted as if every alias were written out
YAML_DEPTH = 50
_SEPARATORS = ",;\t"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


def open_file(path: str | Path, what: str) -> BinaryIO:
    """Open a regular file for reading.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file is, for messages: "list", "study".

    Raises
    ------
    InputError
        The file is missing, not readable, or not a regular file.
    """
    try:
        _check_kind(os.stat(path).st_mode, path, what)
        # non-blocking: a pipe that took the file's place since then must not be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InputError(f"{what} {path} is missing: check the path, or restore the file") from None
    except PermissionError:
        raise InputError(f"{what} {path} may not be read by this user: change its permissions") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{what} {path} cannot be opened ({reason}): check the path") from None
    try:
        _check_kind(os.fstat(descriptor).st_mode, path, what)
    except InputError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_bytes(path: str | Path, what: str, limit: int = TEXT_LIMIT) -> bytes:
    """Read a regular file of at most `limit` bytes; parameters and errors as `open_file`.

    Raises
    ------
    InputError
        Also where the file is larger, changes while it is read, or is a Git LFS pointer.
    """
    with open_file(path, what) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            content = file.read(limit + 1)
        except OSError as error:
            raise InputError(f"{what} {path} cannot be read ({error.strerror}): check its disk") from None
    _check_size(max(size, len(content)), limit, path, what)
    if content.startswith(_LFS_POINTER):
        raise InputError(f"{what} {path} is a Git LFS pointer: fetch the file itself (git lfs pull)")
    return content


def read_text(path: str | Path, what: str, limit: int = TEXT_LIMIT) -> str:
    """Read a UTF-8 text without its byte order mark; a file named ``*.gz`` is unpacked.

    Raises
    ------
    InputError
        As `read_bytes`; also where the file is damaged, no text, or in another encoding.
    """
    content = read_bytes(path, what, limit)
    if Path(path).suffix == ".gz":
        content = _gunzip(content, limit, path, what)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{what} {path} is UTF-16: save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{what} {path} is not UTF-8 (line {line}): save it as UTF-8") from None
    if "\0" in text:
        raise InputError(f"{what} {path} is not a text: give the right file, or restore it")
    return text


def read_json(path: str | Path, what: str, remedy: str = "correct it, or restore it") -> Any:
    """Read a JSON file.

    Parameters
    ----------
    remedy : str
        What to do about a file with a fault in it, for messages.

    Raises
    ------
    InputError
        As `read_text`; also where the file is not valid JSON, or holds a key twice, NaN or an infinite number.
    """
    text = read_text(path, what, JSON_LIMIT)
    try:
        content = json.loads(text, object_pairs_hook=_refuse_twice, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(content, ensure_ascii=False).encode()  # half a character cannot be written anywhere
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} {path} is not valid JSON ({error}): {remedy}") from None
    return content


def check_types(
    content: Any, expected: Mapping[str, Any], where: str, remedy: str = "correct it, or restore it"
) -> None:
    """Check that a mapping has the expected keys, each with a value of its type; further keys are left alone.

    Parameters
    ----------
    content
        What was read from JSON or YAML.
    expected : mapping
        Key to type, such as ``int``, ``float`` (finite; a whole number is one too), ``str | None`` or ``list[str]``.
        True and False are no numbers.
    where : str
        Names the file, for messages.

    Raises
    ------
    InputError
        No mapping; a key is missing; a value is of another type.
    """
    if not isinstance(content, dict):
        raise InputError(f"{where} holds {_shorten(content)}, not a mapping with {', '.join(expected)}: {remedy}")
    for key, kind in expected.items():
        if key not in content:
            raise InputError(f"{where} lacks {key!r}: {remedy}")
        if not is_of_type(content[key], kind):
            name = kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else kind
            raise InputError(f"{where}: {key} is {_shorten(content[key])}, not of type {name}: {remedy}")


def is_of_type(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, a union, or a list or dict with types of its items, as in `check_types`."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return any(is_of_type(value, one) for one in inner)
    if origin is list:
        return isinstance(value, list) and all(is_of_type(item, inner[0]) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            return False
        return all(is_of_type(k, inner[0]) and is_of_type(v, inner[1]) for k, v in value.items())
    if kind is type(None) or kind is None:
        return value is None
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)


class _YamlLoader(yaml.SafeLoader):
    """YAML as a person reads it: times (10:00:00), dates and numbers with leading zeros stay text, 1e-3 is a number."""

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
_YamlLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9_]*)$"), _NUMBER_STARTS)
_FLOAT = r"[-+]?((0|[1-9][0-9_]*)?\.[0-9]+|(0|[1-9][0-9_]*)\.)([eE][-+]?[0-9]+)?$|[-+]?[1-9][0-9]*[eE][-+]?[0-9]+$"
_INFINITE = r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
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
        reason = " ".join(str(error).split())
        raise InputError(f"{what} {path} is not valid YAML ({reason}): correct it") from None


def read_csv(path: str | Path, columns: Mapping[str, Any], what: str) -> pd.DataFrame:
    """Read a table with a header; fields are separated by commas, semicolons or tabs, and may stand in quotes.

    Parameters
    ----------
    path : str or Path
        ``*.gz`` is unpacked.
    columns : mapping
        The columns that the table must have, each with the type of its values: ``str``, ``int``, ``float`` (finite),
        or ``float | None`` where a field may be empty (NaN).
    what : str
        What the table is, for messages.

    Returns
    -------
    pandas.DataFrame
        All columns; those that were not asked for have the type that pandas finds.

    Raises
    ------
    InputError
        As `read_text`; also where a column is missing or stands twice, a row has more or fewer fields than the header,
        or a value is of another type.
    """
    text = read_text(path, what)
    header = text.split("\n", 1)[0].strip()
    separator = max(_SEPARATORS, key=header.count)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise InputError(f"{what} {path} is not a table ({error}): correct it, or restore it") from None
    names = [name.strip() for name in rows[0]] if rows else []
    for name in columns:
        if names.count(name) != 1:
            problem = f"has the column {name!r} twice" if name in names else f"has no column {name!r}"
            raise InputError(f"{what} {path} {problem}: it needs {', '.join(columns)}")
    for number, row in enumerate(rows[1:], 2):
        if row and len(row) != len(names):
            raise InputError(
                f"{what} {path} has {len(row)} fields in line {number}, its header {len(names)}: correct the line"
            )
    table = pd.read_csv(io.StringIO(text), sep=separator, skipinitialspace=True, dtype=str, keep_default_na=False)
    table.columns = names
    for name in names:
        if name in columns:
            table[name] = _convert_column(table[name], columns[name], f"{what} {path}")
        else:
            numbers = pd.to_numeric(table[name], errors="coerce")
            table[name] = table[name] if numbers.isna().any() else numbers
    return table


def read_parquet(path: str | Path, columns: Iterable[str], what: str) -> pd.DataFrame:
    """Read a Parquet table.

    Parameters
    ----------
    path : str or Path
    columns : iterable of str
        The columns that the table must have; it may have more.
    what : str
        What the table is, for messages.

    Raises
    ------
    InputError
        As `read_bytes`; also where the file is no Parquet, damaged, or lacks a column.
    """
    content = read_bytes(path, what, PARQUET_LIMIT)
    try:
        table = pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # a damaged file can raise anything, from OSError to MemoryError
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{what} {path} is damaged or no Parquet file ({reason}): restore it") from None
    for name in columns:
        if name not in table.columns:
            raise InputError(f"{what} {path} has no column {name!r}: restore it, or give the right file")
    return table


def _check_kind(mode: int, path: str | Path, what: str) -> None:
    if stat.S_ISREG(mode):
        return
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise InputError(f"{what} {path} {name}: give a regular file")
    raise InputError(f"{what} {path} is not a regular file: give one")


def _check_size(size: int, limit: int, path: str | Path, what: str) -> None:
    if size > limit:
        raise InputError(f"{what} {path} is larger than {limit / MEGABYTE:g} MiB: give the right file")


def _gunzip(content: bytes, limit: int, path: str | Path, what: str) -> bytes:
    """Unpack to the end, so that the checksum there is verified."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{what} {path} is damaged or not gzip ({error}): fetch it again") from None
    _check_size(len(unpacked), limit, path, f"{what} (unpacked)")
    return unpacked


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


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


def _convert_column(values: pd.Series, kind: Any, where: str) -> pd.Series:
    if kind is str:
        return values
    may_be_empty = type(None) in typing.get_args(kind)
    whole = kind is int or int in typing.get_args(kind)
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    wrong = ~numbers.map(math.isfinite)
    if may_be_empty:
        wrong &= values.str.strip() != ""
    if whole:
        wrong |= numbers.notna() & (numbers % 1 != 0)
    if wrong.any():
        first = int(wrong.to_numpy().argmax())
        kind_name = "a whole number" if whole else "a finite number"
        raise InputError(
            f"{where}: {values.name} is {values.iloc[first]!r} in row {first + 1}, not {kind_name}: correct it"
        )
    return pd.to_numeric(values).astype(int) if kind is int else numbers


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
