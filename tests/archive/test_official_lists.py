"""The official lists of v1.0: fetched as a package from a server on the loopback, written where the index looks."""

import bz2
import hashlib
import io
import zipfile

import pandas as pd
import pytest

from bigearth.archive.index import read_index
from bigearth.archive.official_lists import fetch_lists
from bigearth.cube.selection import select
from bigearth.errors import InputError
from bigearth.miniature.archive import write_archive
from tests.archive.test_download import server  # noqa: F401


@pytest.fixture
def archive(tmp_path):
    """A generated archive; its own lists are moved away."""
    archive = write_archive(tmp_path / "archive", patches=30, seed=3)
    (archive / "lists").rename(tmp_path / "own")
    return archive


@pytest.fixture
def table(archive, tmp_path, server):  # noqa: F811
    """The table of downloads with a package that is built as the official one is, of the archive's own lists."""
    names = sorted(path.name for path in archive.glob("S2*"))
    contents = {path.name: path.read_text().replace("\n", "\r\n") for path in (tmp_path / "own").rglob("*.csv")}
    rows = [f"S1_{number},{name},Austria,Summer\n" for number, name in enumerate(names)]
    contents["s1_s2_name_country_season.csv"] = "s1_name,s2_name,country,season\n" + "".join(rows)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for name, text in contents.items():
            wheel.writestr(f"bigearthnet_common/{name}.bz2", bz2.compress(text.encode()))
    return serve(server, buffer.getvalue())


def serve(server, content):  # noqa: F811
    server.files = {"/wheel": content}
    checksum = "sha256:" + hashlib.sha256(content).hexdigest()
    row = {"version": "lists", "file": "lists.whl", "checksum": checksum, "url": server.url + "/wheel"}
    return pd.DataFrame([row])


def test_lists_are_found_by_the_index(archive, table, tmp_path):
    with pytest.raises(InputError, match="no splits of its own .* download lists .*, or to random"):
        select(read_index(archive, tmp_path / "before"))
    paths = fetch_lists(archive, table)
    assert all(path.is_file() for path in paths) and len(paths) == 7
    index = read_index(archive, tmp_path / "work")
    assert (index.country == "Austria").all() and index.snow.notna().all()
    rows, record = select(index)
    assert record["splits"] == "the archive's own" and len(rows)
    before = {path: path.stat().st_mtime_ns for path in paths}
    assert fetch_lists(archive, table) == paths
    assert {path: path.stat().st_mtime_ns for path in paths} == before


def test_another_list_is_never_replaced(archive, table):
    path = archive / "lists/splits/val.csv"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(InputError, match="val.csv exists and is not the official list: move it elsewhere"):
        fetch_lists(archive, table)
    assert path.read_text() == "mine" and [item.name for item in (archive / "lists").iterdir()] == ["splits"]


def test_another_package_is_refused(server, tmp_path):  # noqa: F811
    with pytest.raises(InputError, match="is not the package of the official lists"):
        fetch_lists(tmp_path, serve(server, b"no zip"))
