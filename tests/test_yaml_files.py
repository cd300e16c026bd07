"""YAML of others: what a person means, or one line."""

import pytest

from bigearth import yaml_files
from tests.other_files import READERS, assert_refused


def test_yaml_means_what_a_person_means(file):
    text = "time: 10:00:00\ndate: 2024-01-01\naccount: 0123\nrate: 1e-3\nn: -12\nx: 2.5\nyes: no\nnone: null\ntext: a\n"
    text += "run: 2024_05\n"
    assert yaml_files.read_yaml(file(text), "file") == {
        "time": "10:00:00",
        "date": "2024-01-01",
        "account": "0123",
        "rate": 0.001,
        "n": -12,
        "x": 2.5,
        True: False,
        "none": None,
        "text": "a",
        "run": "2024_05",
    }
    assert yaml_files.read_yaml(file(""), "file") is None
    assert yaml_files.read_yaml(file("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n"), "file")["d"] == {"b": 1, "e": 2}


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
