"""Downloads that resume and are verified, and archives that are unpacked safely; the server is on the loopback."""

import gzip
import hashlib
import io
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
import zstandard

from bigearth.archive import download
from bigearth.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Knows byte ranges; `files` maps paths to contents; cuts the connection after `cut` bytes."""

    files, cut, ranges, requests = {}, None, True, []

    def do_GET(self):
        content = self.files.get(self.path)
        asked = self.headers.get("Range")
        self.requests.append(asked)
        if content is None:
            return self.send_error(404)
        start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and self.ranges else 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if asked and self.ranges else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"files": {"/file": CONTENT}, "requests": []})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    handler.url = f"http://127.0.0.1:{httpd.server_port}"
    yield handler
    httpd.shutdown()
    httpd.server_close()


def test_a_file_is_downloaded_once(server, tmp_path):
    path = download.download(server.url + "/file", tmp_path / "x" / "file", MD5)
    assert path.read_bytes() == CONTENT
    download.download(server.url + "/file", path, MD5)
    assert len(server.requests) == 1
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    server.cut = 1_700_000
    with pytest.raises(InputError, match="goes on where it stopped"):
        download.download(server.url + "/file", tmp_path / "file", MD5)
    assert not (tmp_path / "file").exists()
    have = (tmp_path / "file.part").stat().st_size
    assert 0 < have <= 1_700_000
    server.cut = None
    assert download.download(server.url + "/file", tmp_path / "file", MD5).read_bytes() == CONTENT
    assert server.requests[-1] == f"bytes={have}-"


def test_a_server_without_ranges_and_a_whole_part(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    assert download.download(server.url + "/file", tmp_path / "file", MD5).read_bytes() == CONTENT
    server.ranges = True
    (tmp_path / "other.part").write_bytes(CONTENT)
    assert download.download(server.url + "/file", tmp_path / "other", MD5).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(InputError, match="has not the md5"):
        download.download(server.url + "/file", tmp_path / "file", "0" * 32)
    assert not list(tmp_path.iterdir())


def test_what_the_server_does_not_have(server, tmp_path):
    with pytest.raises(InputError, match="404"):
        download.download(server.url + "/nothing", tmp_path / "file", MD5)


def archive(*members, kind="zst"):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content or b""))
    return zstandard.compress(raw.getvalue()) if kind == "zst" else gzip.compress(raw.getvalue())


@pytest.mark.parametrize("kind", ["zst", "gz"])
def test_an_archive_is_unpacked_once(tmp_path, kind):
    path = tmp_path / f"a.tar.{kind}"
    path.write_bytes(archive(("top/patch/a.tif", CONTENT), ("top/b", b""), kind=kind))
    download.unpack(path, tmp_path / "out")
    assert (tmp_path / "out/top/patch/a.tif").read_bytes() == CONTENT
    (tmp_path / "out/top/b").unlink()
    download.unpack(path, tmp_path / "out")
    assert not (tmp_path / "out/top/b").exists()


@pytest.mark.parametrize(
    ("name", "content"), [("/tmp/evil", b"x"), ("a/../../evil", b"x"), ("../evil", b"x"), ("link", None)]
)
def test_members_that_lead_elsewhere_are_refused(tmp_path, name, content):
    (tmp_path / "a.tar.zst").write_bytes(archive(("good", b"y"), (name, content)))
    with pytest.raises(InputError, match=re.escape(repr(name))):
        download.unpack(tmp_path / "a.tar.zst", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", ["zst", "gz"])
def test_a_damaged_archive_is_refused(tmp_path, kind):
    path = tmp_path / f"a.tar.{kind}"
    path.write_bytes(archive(("top/a", CONTENT), kind=kind)[:-500_000])
    with pytest.raises(InputError, match="is damaged"):
        download.unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_what_was_there_is_not_overwritten(tmp_path):
    (tmp_path / "a.tar.zst").write_bytes(archive(("top/a", b"new")))
    (tmp_path / "top").mkdir()
    with pytest.raises(InputError, match="exists already"):
        download.unpack(tmp_path / "a.tar.zst", tmp_path)
    assert not list((tmp_path / "top").iterdir())


def test_a_version_is_fetched_and_unpacked(server, tmp_path):
    packed = archive(("BigEarthNet-S2/tile/patch/a.tif", b"pixels"))
    server.files = {"/m": b"table", "/s": packed}
    files = {"/m": "metadata.parquet", "/s": "BigEarthNet-S2.tar.zst"}
    md5 = [hashlib.md5(server.files[url]).hexdigest() for url in files]
    table = pd.DataFrame({"version": "v2", "file": files.values(), "md5": md5, "url": [server.url + u for u in files]})
    download.acquire("v2", tmp_path, table)
    assert (tmp_path / "metadata.parquet").read_bytes() == b"table"
    assert (tmp_path / "BigEarthNet-S2/tile/patch/a.tif").read_bytes() == b"pixels"
    with pytest.raises(InputError, match="version"):
        download.acquire("v3", tmp_path, table)


def test_the_table():
    table = download.downloads().set_index("file")
    assert table.md5["BigEarthNet-S2.tar.zst"] == "2245ed2d1a93f6ce637d839bc856396e"
    assert table.md5["metadata.parquet"] == "55687065e77b6d0b0f1ff604a6e7b49c"
    assert table.md5.str.fullmatch("[0-9a-f]{32}").all() and table.url.str.startswith("https://").all()


def test_the_command_says_what_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(download, "acquire", lambda *_: (_ for _ in ()).throw(InputError("no network")))
    assert download.main(["v2", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: no network\n"
