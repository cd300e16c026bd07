"""Files that others wrote are read whole, or refused in one line that names the file and the remedy."""

import gzip
import math
import os
import socket
import tracemalloc

import pytest

from bigearth import outside, tables, yaml_files
from bigearth.errors import InputError
from tests.other_files import READERS, assert_refused

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.fixture(params=READERS)
def read(request):
    return READERS[request.param]


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
    assert yaml_files.read_yaml(file(b"\xef\xbb\xbfa: 1"), "file") == {"a": 1}
    assert tables.read_csv(file(b"\xef\xbb\xbfa\n1\n"), {"a": int}, "file").a.tolist() == [1]


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
        (10**400, int, False), (10**400, float, False),
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


def test_a_whole_number_beyond_all_floats_is_no_float():
    assert not outside.is_of_type(10**400, float)
    assert outside.is_of_type(10**300, float)


def test_a_small_file_needs_little_memory_whatever_the_limit(file):
    """Python makes room at once for all that is asked for."""
    path = file("x" * 1000)
    tracemalloc.start()
    assert outside.read_bytes(path, "file", limit=1 << 30) == b"x" * 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_file_that_tells_no_size_is_read_whole():
    assert b"VmPeak" in outside.read_bytes("/proc/self/status", "status")
