"""Tables of others: CSV and Parquet."""

import math

import pandas as pd
import pytest

from bigearth import tables
from bigearth.errors import InputError
from tests.other_files import READERS, assert_refused


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,y\n",
        "a;b\r\n1;x\r\n2;y\r\n",
        "a\tb\n1\tx\n2\ty",
        '"a","b"\n"1","x"\n"2","y"\n',
        "a, b\n1, x\n2, y\n\n",
    ],
)
def test_tables(content, file):
    table = tables.read_csv(file(content), {"a": int, "b": str}, "file")
    pd.testing.assert_frame_equal(table, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


def test_a_field_may_be_empty_where_that_is_said(file):
    path = file("a,b,c\n1,,x\n2,0.5,\n")
    table = tables.read_csv(path, {"a": float, "b": float | None}, "file")
    assert table.a.tolist() == [1, 2] and math.isnan(table.b[0]) and table.b[1] == 0.5 and table.c.tolist() == ["x", ""]
    with pytest.raises(InputError, match="b is '' in row 1, not a finite number"):
        tables.read_csv(path, {"b": float}, "file")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("b\n1\n", "has no column 'a'"),
        ("", "has no column 'a'"),
        ("a,a\n1,2\n", "has the column 'a' twice"),
        ("a,b\n1\n", "1 fields in line 2, its header 2"),
        ("a,b\n1,2,3\n", "3 fields in line 2, its header 2"),
        ("a\nx\n", "a is 'x' in row 1, not a whole number"),
        ("a\n1\n1.5\n", "a is '1.5' in row 2, not a whole number"),
        ("a\nnan\n", "a is 'nan' in row 1"),
        ("a\ninf\n", "a is 'inf' in row 1"),
        ('a\n"1\n', "is not a table"),
    ],
)
def test_bad_tables(content, match, file):
    assert_refused(READERS["CSV"], file(content), match)


def test_parquet(tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": range(1000), "b": [["x"]] * 1000}).to_parquet(path)
    assert tables.read_parquet(path, ["a", "b"], "file").a.tolist() == list(range(1000))
    with pytest.raises(InputError, match="has no column 'c'"):
        tables.read_parquet(path, ["c"], "file")


@pytest.mark.parametrize("part", [0, 1, 100, 0.5, -1])
def test_parquet_cut_short(part, tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": range(1000)}).to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part) if isinstance(part, float) else part])
    assert_refused(READERS["Parquet"], path, "damaged or no Parquet file")
