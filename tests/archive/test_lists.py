"""Lists of patch names, in the forms in which they come."""

import gzip

import pytest

from bigearth.archive.lists import find_list, read_names, read_splits
from bigearth.errors import InputError

NAMES = [f"S2A_MSIL2A_20170613T101031_{column}_7" for column in range(3)]
A, B, C = NAMES


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(NAMES),
        "\r\n".join([*NAMES, "", ""]),
        "\r".join(NAMES),
        "\ufeff" + "\n".join(NAMES),
        "\n".join(f'"{name}"' for name in NAMES),
        "\n".join(f"'{name}'" for name in NAMES),
        "patch_id\n" + "\n".join(NAMES),
        "# list of patches\n" + "\n".join(NAMES),
        "name;season\n" + "\n".join(f"{name};Summer" for name in NAMES),
        "patch,country\n" + "\n".join(f'"{name}","Bosnia, and more"' for name in NAMES),
        ",country,patch\n" + "\n".join(f"{i},Austria,{name}" for i, name in enumerate(NAMES)),
        "\n".join(f"{name}\tAustria" for name in NAMES),
        "\n".join(f"{name} Austria" for name in NAMES),
        "  \n" + "\n   \n".join(NAMES),
        ",".join(NAMES),
        ", ".join(NAMES) + "\n",
        ";".join(f'"{name}"' for name in NAMES),
    ],
)
def test_lists(content, tmp_path):
    (tmp_path / "names.csv").write_bytes(content.encode())
    assert read_names(tmp_path / "names.csv") == NAMES
    (tmp_path / "names.csv.gz").write_bytes(gzip.compress(content.encode()))
    assert read_names(tmp_path / "names.csv.gz") == NAMES


def test_names_of_another_form_are_not_lost(tmp_path):
    (tmp_path / "names.csv").write_text("a\r\nb,other column\n\n")
    assert read_names(tmp_path / "names.csv") == ["a", "b"]
    (tmp_path / "names.csv").write_text(f"{A}\nS2A_cut\n")
    assert read_names(tmp_path / "names.csv") == [A, "S2A_cut"]
    (tmp_path / "names.csv").write_text(f"{A},Austria\n")
    assert read_names(tmp_path / "names.csv") == [A]


def test_an_empty_list(tmp_path):
    (tmp_path / "empty.csv").write_text("\n")
    with pytest.raises(InputError, match="empty.csv names no patch"):
        read_names(tmp_path / "empty.csv")
    assert read_names(tmp_path / "empty.csv", may_be_empty=True) == []


def test_what_is_no_list(tmp_path):
    with pytest.raises(InputError, match="list .*absent.csv is missing"):
        read_names(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_names(tmp_path)


def test_a_patch_has_one_split(tmp_path):
    for name, patches in (("train", "a\nb\n"), ("val", "c\n"), ("test", "d\nb\n")):
        (tmp_path / f"{name}.csv").write_text(patches)
    with pytest.raises(InputError, match="b is in test and in train"):
        read_splits(tmp_path)


def test_splits_may_be_packed(tmp_path):
    for name, patch in zip(("train", "val", "test"), NAMES, strict=True):
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(patch.encode()))
    assert read_splits(tmp_path) == {A: "train", B: "validation", C: "test"}


def test_a_bare_name_is_looked_for_beside_the_archive(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/names.csv.gz").touch()
    assert find_list("names.csv", tmp_path) == tmp_path / "lists/names.csv.gz"
    with pytest.raises(InputError, match="exclude: there is no file .*own.csv nor .*lists/own.csv; give a list's path"):
        find_list("own.csv", tmp_path)
    (tmp_path / "own.csv").touch()
    assert find_list(tmp_path / "own.csv", tmp_path) == tmp_path / "own.csv"


def test_a_quote_that_is_never_closed(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text('"' + ",".join([A] * 10_000) + "\n")
    with pytest.raises(InputError, match="correct its quotes"):
        read_names(path)
