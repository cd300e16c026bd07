"""The table of published files."""

from bigearth.archive.published import find_md5, list_downloads


def test_every_file_has_a_checksum():
    table = list_downloads()
    assert set(table.version) == {"v1", "v2", "lists"} and table.file.is_unique
    assert table.checksum.str.fullmatch("md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}").all()
    assert "md5:" + find_md5("BigEarthNet-S2.tar.zst") == table.set_index("file").checksum["BigEarthNet-S2.tar.zst"]
    assert find_md5("mine.tar") is None
    assert find_md5(table[table.version == "lists"].file.iloc[0]) is None
