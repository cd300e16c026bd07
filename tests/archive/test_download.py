"""Downloads that go on where they stopped and are verified; the server is on the loopback."""

import errno
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from bigearth.archive import download, published, room
from bigearth.errors import InputError
from tests.archive.test_unpacking import make_archive

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


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
    path = download.fetch_file(server.url + "/file", tmp_path / "x" / "file", MD5)
    assert path.read_bytes() == CONTENT
    download.fetch_file(server.url + "/file", path, MD5)
    assert len(server.requests) == 1
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    server.cut = 1_700_000
    with pytest.raises(InputError, match="goes on where it stopped"):
        download.fetch_file(server.url + "/file", tmp_path / "file", MD5)
    assert not (tmp_path / "file").exists()
    have = (tmp_path / "file.part").stat().st_size
    assert 0 < have <= 1_700_000
    server.cut = None
    assert download.fetch_file(server.url + "/file", tmp_path / "file", MD5).read_bytes() == CONTENT
    assert server.requests[-1] == f"bytes={have}-"


def test_a_server_without_ranges_and_a_whole_part(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    assert download.fetch_file(server.url + "/file", tmp_path / "file", MD5).read_bytes() == CONTENT
    server.ranges = True
    (tmp_path / "other.part").write_bytes(CONTENT)
    assert download.fetch_file(server.url + "/file", tmp_path / "other", MD5).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(InputError, match="has not the md5"):
        download.fetch_file(server.url + "/file", tmp_path / "file", "md5:" + "0" * 32)
    assert not list(tmp_path.iterdir())


def test_what_the_server_does_not_have(server, tmp_path):
    with pytest.raises(InputError, match="404"):
        download.fetch_file(server.url + "/nothing", tmp_path / "file", MD5)


def test_a_version_is_fetched_and_unpacked(server, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "find_room", lambda _: room.Room(1e12, 1e9, "", ""))
    packed = make_archive(("BigEarthNet-S2/tile/patch/a.tif", b"pixels"))
    server.files = {"/m": b"table", "/s": packed}
    files = {"/m": "metadata.parquet", "/s": "BigEarthNet-S2.tar.zst"}
    sums = ["md5:" + hashlib.md5(server.files[url]).hexdigest() for url in files]
    table = pd.DataFrame(
        {"version": "v2", "file": files.values(), "checksum": sums, "url": [server.url + u for u in files]}
    )
    paths = download.fetch_archive("v2", tmp_path, table=table)
    assert paths == [tmp_path / "metadata.parquet", tmp_path / "BigEarthNet-S2.tar.zst"]
    assert not (tmp_path / "BigEarthNet-S2").exists()  # it is read as it is
    download.fetch_archive("v2", tmp_path, unpacked=True, table=table)
    assert (tmp_path / "metadata.parquet").read_bytes() == b"table"
    assert (tmp_path / "BigEarthNet-S2/tile/patch/a.tif").read_bytes() == b"pixels"
    with pytest.raises(InputError, match="version"):
        download.fetch_archive("v3", tmp_path, table=table)


def test_too_little_room_is_said_before_a_byte_is_fetched(server, tmp_path, monkeypatch):
    table = pd.DataFrame({"version": ["v2"], "file": ["a.tar.zst"], "checksum": [MD5], "url": [server.url + "/file"]})
    monkeypatch.setattr(room, "find_room", lambda _: room.Room(70e9, 4e6, "the disk", "the quota"))
    download._check_room("v2", tmp_path, False, ["a.tar.zst"])
    with pytest.raises(InputError, match=r"needs 169 GB, the disk leaves 70.0 GB: .* leave it packed"):
        download.fetch_archive("v2", tmp_path, unpacked=True, table=table)
    monkeypatch.setattr(room, "find_room", lambda _: room.Room(900e9, 4e6, "the disk", "the quota"))
    with pytest.raises(InputError, match=r"needs 7,143,345 files and folders, the quota leaves 4,000,000: .*packed"):
        download.fetch_archive("v2", tmp_path, unpacked=True, table=table)
    assert not server.requests and not list(tmp_path.iterdir())


def test_the_table():
    table = published.list_downloads().set_index("file")
    assert table.checksum["BigEarthNet-S2.tar.zst"] == "md5:2245ed2d1a93f6ce637d839bc856396e"
    assert table.checksum["metadata.parquet"] == "md5:55687065e77b6d0b0f1ff604a6e7b49c"
    assert (
        table.checksum.str.fullmatch("md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}").all()
        and table.url.str.startswith("https://").all()
    )


def test_a_file_of_the_user_is_kept(server, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(InputError, match="exists and has not the md5 .*: move it elsewhere, or choose"):
        download.fetch_file(server.url + "/file", tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == b"mine" and not server.requests


def test_a_full_disk_keeps_the_part(server, tmp_path, monkeypatch):
    def fill(url, part, auth):
        part.write_bytes(CONTENT[:1000])
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(download, "_download", fill)
        with pytest.raises(InputError, match="Disk quota exceeded.*: free space or quota, then call again"):
            download.fetch_file(server.url + "/file", tmp_path / "file", MD5)
    assert download.fetch_file(server.url + "/file", tmp_path / "file", MD5).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-"]
