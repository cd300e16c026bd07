"""Readers of files of others, and what their refusal must look like."""

import pytest

from bigearth import outside, tables, yaml_files
from bigearth.errors import InputError

READERS = {
    "text": lambda path: outside.read_text(path, "file"),
    "JSON": lambda path: outside.read_json(path, "file"),
    "YAML": lambda path: yaml_files.read_yaml(path, "file"),
    "CSV": lambda path: tables.read_csv(path, {"a": int}, "file"),
    "Parquet": lambda path: tables.read_parquet(path, ["a"], "file"),
}


def assert_refused(read, path, match):
    with pytest.raises(InputError, match=match) as error:
        read(path)
    message = str(error.value)
    assert "\n" not in message and str(path) in message
    assert "remove" not in message and "delete" not in message
