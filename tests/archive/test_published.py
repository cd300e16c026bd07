"""The table of published files."""

from bigearth.archive.published import find_md5, list_downloads


def test_every_file_has_an_md5():
    table = list_downloads()
    assert set(table.version) == {"v1", "v2"} and table.file.is_unique
    assert table.md5.str.fullmatch("[0-9a-f]{32}").all()
    assert find_md5("BigEarthNet-S2.tar.zst") == table.set_index("file").md5["BigEarthNet-S2.tar.zst"]
    assert find_md5("mine.tar") is None
