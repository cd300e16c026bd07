"""One way to read a file that others wrote: text, JSON, YAML, CSV and Parquet, each whole or refused in one line.

A file must be a regular one (a pipe would wait for ever), of bounded size, and UTF-8 where it holds text.
"""

import gzip
import io
import json
import os
import stat
import sys
import types
import typing
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bigearth.errors import InputError

MEGABYTE = 1 << 20
TEXT_LIMIT = 256 * MEGABYTE  # all 590,326 patch names are 20 MB
JSON_LIMIT = 64 * MEGABYTE
_LARGEST_FLOAT = sys.float_info.max  # a whole number may have more digits

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


def open_file(path: str | Path, what: str) -> io.BufferedReader:
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
            content = file.read(min(size, limit) + 1)  # not more: Python makes room for all of it at once
            if len(content) > size:
                content += file.read(limit + 1 - len(content))  # it grows, or is one of /proc
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
    return _decode(content, path, what)


def _decode(content: bytes, path: str | Path, what: str) -> str:
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
    return parse_json(read_bytes(path, what, JSON_LIMIT), path, what, remedy)


def parse_json(content: bytes, path: str | Path, what: str, remedy: str = "correct it, or restore it") -> Any:
    """Parse the content of a JSON file; parameters and errors as `read_json`."""
    text = _decode(content, path, what)
    try:
        value = json.loads(text, object_pairs_hook=_refuse_twice, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be written anywhere
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} {path} is not valid JSON ({error}): {remedy}") from None
    return value


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
        return isinstance(value, int | float) and -_LARGEST_FLOAT <= value <= _LARGEST_FLOAT
    if kind is int:
        return isinstance(value, int) and abs(value) < 2**63  # what a table of whole numbers holds
    return isinstance(value, kind)


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


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
