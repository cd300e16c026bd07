"""The miniature archive: the same bytes for a seed; what is there already is kept."""

import hashlib

import pytest

from bigearth.errors import InputError
from bigearth.miniature import archive, layouts
from bigearth.miniature.archive import FEWEST_PATCHES, find_archive, miniature, write_archive


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first, again, other = (
        write_archive(tmp_path / name, 12, seed) for name, seed in (("first", 3), ("again", 3), ("other", 4))
    )
    assert digests(first) == digests(again)
    assert digests(first).keys() != digests(other).keys() or digests(first) != digests(other)


def test_a_complete_archive_is_kept_and_a_failed_one_leaves_nothing(tmp_path, tiny_archive, monkeypatch):
    before = digests(tiny_archive)
    monkeypatch.setattr(layouts, "render_scenes", lambda *_: 1 / 0)
    assert write_archive(tiny_archive, 60, 7) == tiny_archive and digests(tiny_archive) == before
    with pytest.raises(InputError, match="miniature of other parameters .*: choose another workdir"):
        write_archive(tiny_archive, 60, 8)
    with pytest.raises(ZeroDivisionError):
        write_archive(tmp_path / "new", 12)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["folder", "real", "file", "link"])
def test_what_is_no_miniature_is_never_said_to_be_removed(tmp_path, kind):
    place = tmp_path / "archive"
    if kind == "file":
        place.write_text("mine")
    elif kind == "link":
        place.symlink_to(tmp_path / "absent")
    else:
        place.mkdir()
    if kind == "real":
        (place / "S2A_MSIL2A_20170613T101031_26_57").mkdir()
    with pytest.raises(InputError, match="archive exists and is not the miniature .* choose another workdir") as error:
        miniature(tmp_path)
    assert "remove" not in str(error.value) and "delete" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_damaged_marker(tiny_archive, tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / archive.MINIATURE_MARKER).write_text("{")
    with pytest.raises(InputError, match="marker .* is not valid JSON"):
        miniature(tmp_path)


def test_the_parameter_of_notebooks(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "write_archive", lambda folder, patches: (folder, patches))
    assert find_archive("miniature", tmp_path) == (tmp_path / "archive", 1000)
    assert find_archive("miniature-4000", tmp_path) == (tmp_path / "archive-4000", 4000)
    assert find_archive(tmp_path / "own", tmp_path) == tmp_path / "own"


@pytest.mark.parametrize("patches", [0, -1, FEWEST_PATCHES - 1])
def test_too_few_patches_are_refused(tmp_path, patches):
    with pytest.raises(InputError, match=f"patches is {patches}: give at least {FEWEST_PATCHES}"):
        write_archive(tmp_path / "archive", patches=patches)
    assert not list(tmp_path.iterdir())
