"""Files that others wrote are read whole, or refused in one line that names the file and the remedy."""

import gzip
import math
import os
import socket

import pandas as pd
import pytest

from bigearth import outside
from bigearth.errors import InputError

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
READERS = {
    "text": lambda path: outside.read_text(path, "file"),
    "JSON": lambda path: outside.read_json(path, "file"),
    "YAML": lambda path: outside.read_yaml(path, "file"),
    "CSV": lambda path: outside.read_csv(path, {"a": int}, "file"),
    "Parquet": lambda path: outside.read_parquet(path, ["a"], "file"),
}


@pytest.fixture(params=READERS)
def read(request):
    return READERS[request.param]


@pytest.fixture
def file(tmp_path):
    """Write a content to a file; returns its path."""

    def write(content, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def assert_refused(read, path, match):
    with pytest.raises(InputError, match=match) as error:
        read(path)
    message = str(error.value)
    assert "\n" not in message and str(path) in message
    assert "remove" not in message and "delete" not in message


def test_a_missing_file(read, tmp_path):
    assert_refused(read, tmp_path / "absent", "is missing: check the path")


def test_a_folder(read, tmp_path):
    assert_refused(read, tmp_path, "is a folder: give a regular file")


def test_a_pipe_is_not_waited_for(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert_refused(read, tmp_path / "pipe", "is a pipe")


def test_a_device(read):
    assert_refused(read, "/dev/zero", "is a device")


def test_a_socket(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert_refused(read, tmp_path / "s", "is a socket")


def test_a_loop_of_links(read, tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert_refused(read, tmp_path / "a", "cannot be opened .*links")


def test_a_link_to_a_file_is_read(file, tmp_path):
    (tmp_path / "link").symlink_to(file("hello"))
    assert outside.read_text(tmp_path / "link", "file") == "hello"


def test_no_permission(read, file, monkeypatch):
    path = file("a\n1\n")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(outside.os, "open", refuse)  # the tests may run as root
    assert_refused(read, path, "may not be read by this user")


def test_a_pointer_of_git_lfs(read, file):
    assert_refused(read, file(LFS_POINTER), "is a Git LFS pointer: fetch the file itself")


def test_what_is_too_large(file):
    with pytest.raises(InputError, match="larger than 1 MiB"):
        outside.read_text(file("x" * ((1 << 20) + 1)), "file", limit=1 << 20)


@pytest.mark.parametrize("kind", ["text", "JSON", "YAML", "CSV"])
@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("a\nGrünland\n".encode("latin-1"), r"is not UTF-8 \(line 2\): save it as UTF-8"),
        ("a\n1\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        (b"a\n\0\n", "is not a text"),
    ],
)
def test_other_encodings(kind, content, match, file):
    assert_refused(READERS[kind], file(content), match)


def test_a_byte_order_mark_is_no_content(file):
    assert outside.read_text(file(b"\xef\xbb\xbfname\n"), "file") == "name\n"
    assert outside.read_json(file(b"\xef\xbb\xbf[1]"), "file") == [1]
    assert outside.read_yaml(file(b"\xef\xbb\xbfa: 1"), "file") == {"a": 1}
    assert outside.read_csv(file(b"\xef\xbb\xbfa\n1\n"), {"a": int}, "file").a.tolist() == [1]


def test_gzip_is_unpacked_and_its_checksum_is_verified(file):
    packed = bytearray(gzip.compress(b"name\n" * 1000))
    assert outside.read_text(file(packed, "a.gz"), "file") == "name\n" * 1000
    for position in range(10, len(packed)):
        damaged = packed.copy()
        damaged[position] ^= 4
        with pytest.raises(InputError, match="damaged or not gzip"):
            outside.read_text(file(damaged, "b.gz"), "file")
    assert_refused(READERS["text"], file(packed[:-9], "c.gz"), "damaged or not gzip")
    assert_refused(READERS["text"], file("name\n", "d.gz"), "damaged or not gzip")


def test_a_small_gzip_of_much(file, monkeypatch):
    with pytest.raises(InputError, match="unpacked.* is larger"):
        outside.read_text(file(gzip.compress(bytes(3 << 20)), "zeros.gz"), "file", limit=1 << 20)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "not valid JSON"),
        ('{"a": 1, "a": 2}', "key 'a' stands twice"),
        ('{"a": {"b": 1, "b": 1}}', "key 'b' stands twice"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "Infinity is not a number"),
        ("[" * 100_000, "not valid JSON"),
        ('["\\ud800"]', "not valid JSON"),
        ("", "not valid JSON"),
        ("1" * 10_000, "not valid JSON"),
    ],
)
def test_bad_json(content, match, file):
    assert_refused(READERS["JSON"], file(content), match)


def test_json_is_read_with_its_characters(file):
    assert outside.read_json(file('{"a": "\\u00fc", "b": [true, null]}'), "file") == {"a": "ü", "b": [True, None]}


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        (1, int, True), (True, int, False), (1.5, int, False), ("1", int, False), (None, int, False),
        (1, float, True), (0.5, float, True), (math.nan, float, False), (math.inf, float, False), (True, float, False),
        (True, bool, True), (0, bool, False), ("x", str, True), (None, str | None, True), (1, str | None, False),
        (["a"], list[str], True), (["a", 1], list[str], False), ("a", list[str], False), ([1, 2], list, True),
        ({"a": 1}, dict[str, int], True), ({"a": True}, dict[str, int], False), ([], dict[str, int], False),
    ],
)  # fmt: skip
def test_types(value, kind, fits):
    assert outside.is_of_type(value, kind) is fits
    if fits:
        outside.check_types({"key": value, "more": object()}, {"key": kind}, "file f")
    else:
        with pytest.raises(InputError, match="^file f: key is .*, not of type .*: correct"):
            outside.check_types({"key": value}, {"key": kind}, "file f")


def test_a_missing_key_and_no_mapping():
    with pytest.raises(InputError, match="lacks 'key': fetch it"):
        outside.check_types({}, {"key": int}, "file f", "fetch it")
    with pytest.raises(InputError, match="holds .*, not a mapping with key"):
        outside.check_types(list(range(1000)), {"key": int}, "file f")


def test_yaml_means_what_a_person_means(file):
    text = "time: 10:00:00\ndate: 2024-01-01\naccount: 0123\nrate: 1e-3\nn: -12\nx: 2.5\nyes: no\nnone: null\ntext: a\n"
    assert outside.read_yaml(file(text), "file") == {
        "time": "10:00:00",
        "date": "2024-01-01",
        "account": "0123",
        "rate": 0.001,
        "n": -12,
        "x": 2.5,
        True: False,
        "none": None,
        "text": "a",
    }
    assert outside.read_yaml(file(""), "file") is None
    assert outside.read_yaml(file("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n"), "file")["d"] == {"b": 1, "e": 2}


MULTIPLYING = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (MULTIPLYING, "more than 20,000 values"),
        ("a: &a [*a]", "leads back to itself"),
        ("[" * 5000 + "]" * 5000, "nested more than 50 levels"),
        ("a: 1\na: 2\n", "line 2: the key 'a' stands twice"),
        ("b: {a: 1, a: 1}\n", "the key 'a' stands twice"),
        ("a: [1", "not valid YAML"),
        ("a: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("? [1, 2]\n: 3\n", "not valid YAML"),
        ("a: *b", "not valid YAML"),
        ("a: \x01", "not valid YAML"),
        ("x: " + "y" * (1 << 18), "larger than 0.25 MiB"),
    ],
)
def test_bad_yaml(content, match, file):
    assert_refused(READERS["YAML"], file(content), match)


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
    table = outside.read_csv(file(content), {"a": int, "b": str}, "file")
    pd.testing.assert_frame_equal(table, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


def test_a_field_may_be_empty_where_that_is_said(file):
    path = file("a,b,c\n1,,x\n2,0.5,\n")
    table = outside.read_csv(path, {"a": float, "b": float | None}, "file")
    assert table.a.tolist() == [1, 2] and math.isnan(table.b[0]) and table.b[1] == 0.5 and table.c.tolist() == ["x", ""]
    with pytest.raises(InputError, match="b is '' in row 1, not a finite number"):
        outside.read_csv(path, {"b": float}, "file")


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
    assert outside.read_parquet(path, ["a", "b"], "file").a.tolist() == list(range(1000))
    with pytest.raises(InputError, match="has no column 'c'"):
        outside.read_parquet(path, ["c"], "file")


@pytest.mark.parametrize("part", [0, 1, 100, 0.5, -1])
def test_parquet_cut_short(part, tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": range(1000)}).to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part) if isinstance(part, float) else part])
    assert_refused(READERS["Parquet"], path, "damaged or no Parquet file")
