"""Read tables of others, CSV and Parquet: whole and of the expected types, else an error in one line."""

import csv
import io
import math
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bigearth.errors import InputError
from bigearth.outside import MEGABYTE, read_bytes, read_text

PARQUET_LIMIT = 4096 * MEGABYTE

_SEPARATORS = ",;\t"


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
