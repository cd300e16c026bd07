"""The command that downloads: what it fetches, in which order, and what it says."""

from bigearth.__main__ import main
from bigearth.archive import download, official_lists
from bigearth.errors import InputError


def test_what_is_fetched(tmp_path, capsys, monkeypatch):
    fetched = []
    monkeypatch.setattr(download, "fetch_archive", lambda *arguments: [fetched.append(arguments)])
    monkeypatch.setattr(official_lists, "fetch_lists", lambda folder: [fetched.append(("lists", folder))])
    folder = str(tmp_path)
    assert main(["download", "v2", folder]) == 0
    assert main(["download", "v1", folder, "--unpack"]) == 0
    assert main(["download", "lists", folder]) == 0
    assert fetched == [("v2", folder, False), ("lists", folder), ("v1", folder, True), ("lists", folder)]
    said = capsys.readouterr().out
    assert "63 GB in a few files" in said and "unpacked (--unpack) another 116 GB in 8.3 million files" in said


def test_a_failure_is_one_line(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise InputError("no network")

    monkeypatch.setattr(download, "fetch_archive", fail)
    assert main(["download", "v2", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: no network\n"
