"""Archives are unpacked safely, whole, and go on where they stopped."""

import errno
import gzip
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
import zstandard

from bigearth.archive import unpacking
from bigearth.archive.unpacking import unpack
from bigearth.errors import InputError

CONTENT = np.random.default_rng(0).bytes(3_000_000)


def make_archive(*members, kind="zst"):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content or b""))
    if kind == "gz":
        return gzip.compress(raw.getvalue())
    return zstandard.ZstdCompressor(write_checksum=True).compress(raw.getvalue())


@pytest.mark.parametrize("kind", ["zst", "gz"])
def test_an_archive_is_unpacked_once(tmp_path, kind, monkeypatch):
    path = tmp_path / f"a.tar.{kind}"
    path.write_bytes(make_archive(("top/patch/a.tif", CONTENT), ("top/b", b""), kind=kind))
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/top/patch/a.tif").read_bytes() == CONTENT
    monkeypatch.setattr(unpacking, "_unpack_members", lambda *_: pytest.fail("unpacked again"))
    unpack(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content"), [("/tmp/evil", b"x"), ("a/../../evil", b"x"), ("../evil", b"x"), ("link", None)]
)
def test_members_that_lead_elsewhere_are_refused(tmp_path, name, content):
    (tmp_path / "a.tar.zst").write_bytes(make_archive(("good", b"y"), (name, content)))
    with pytest.raises(InputError, match=re.escape(repr(name))):
        unpack(tmp_path / "a.tar.zst", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", ["zst", "gz"])
def test_a_damaged_archive_is_refused(tmp_path, kind):
    path = tmp_path / f"a.tar.{kind}"
    path.write_bytes(make_archive(("top/a", CONTENT), kind=kind)[:-500_000])
    with pytest.raises(InputError, match="is damaged"):
        unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_what_was_there_is_not_overwritten(tmp_path):
    (tmp_path / "a.tar.zst").write_bytes(make_archive(("top/a", b"new")))
    (tmp_path / "top").mkdir()
    with pytest.raises(InputError, match="exists already"):
        unpack(tmp_path / "a.tar.zst", tmp_path)
    assert not list((tmp_path / "top").iterdir())


SMALL = (("top/a.tif", CONTENT[:3000]), ("top/folder/b.tif", CONTENT[3000:5000]), ("other", b"x"))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", ["zst", "gz"])
def test_every_cut_archive_is_refused(tmp_path, kind):
    whole = make_archive(*SMALL, kind=kind)
    path = tmp_path / f"a.tar.{kind}"
    for length in [*range(0, len(whole) - 20, len(whole) // 40), *range(len(whole) - 20, len(whole))]:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="is damaged"):
            unpack(path, tmp_path / "out")
        assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", ["zst", "gz"])
def test_every_flipped_bit_is_noticed(tmp_path, kind):
    whole = make_archive(*SMALL, kind=kind)
    path = tmp_path / f"a.tar.{kind}"
    header = 10 if kind == "gz" else 0  # time and system of origin, which mean nothing
    for position in range(header, len(whole), len(whole) // 100):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            unpack(path, tmp_path / str(position))
        except InputError:
            continue
        assert contents(tmp_path / str(position)) == dict(SMALL)  # a bit that decides nothing
        path.with_name(f"{path.name}.unpacked").unlink()


def test_several_frames(tmp_path):
    raw = zstandard.decompress(make_archive(*SMALL))
    path = tmp_path / "a.tar.zst"
    path.write_bytes(b"".join(zstandard.compress(raw[i : i + 1500]) for i in range(0, len(raw), 1500)))
    unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == dict(SMALL)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMLINK])
def test_a_full_disk_keeps_what_is_unpacked(tmp_path, monkeypatch, number):
    path = tmp_path / "a.tar.zst"
    path.write_bytes(make_archive(*SMALL))
    write, written = unpacking._write_member, []

    def fill(tar, member, root, may_replace):
        written.append(member.name)
        if len(written) == 2:
            (root / "top/folder").mkdir()
            (root / member.name).write_bytes(CONTENT[3000:3100])  # a file cut short by the full disk
            raise OSError(number, "no room")
        write(tar, member, root, may_replace)

    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_write_member", fill)
        with pytest.raises(InputError, match=r"no room.*call again; what is unpacked is kept in .*\.a\.tar\.zst\.part"):
            unpack(path, tmp_path / "out")
    kept = tmp_path / "out/.a.tar.zst.part/top/a.tif"
    time = kept.stat().st_mtime_ns
    unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == dict(SMALL)
    assert (tmp_path / "out/top/a.tif").stat().st_mtime_ns == time  # kept, not written again


def test_the_record_alone_is_not_believed(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(make_archive(*SMALL, kind="gz"))
    unpack(path, tmp_path / "out")
    record = json.loads((tmp_path / "a.tar.gz.unpacked").read_text())
    assert record["unpacked"] == {"other": [1, 1], "top": [2, 5000]}
    (tmp_path / "out/top/folder/b.tif").unlink()
    unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == dict(SMALL)
    (tmp_path / "out/top/a.tif").write_bytes(b"mine")
    with pytest.raises(InputError, match="a.tif differs from what was unpacked: move it elsewhere"):
        unpack(path, tmp_path / "out")
    assert (tmp_path / "out/top/a.tif").read_bytes() == b"mine"


def test_a_record_of_another_folder_or_version(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(make_archive(*SMALL, kind="gz"))
    (tmp_path / "a.tar.gz.unpacked").touch()
    unpack(path, tmp_path / "first")
    unpack(path, tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second") == dict(SMALL)


def test_a_folder_of_the_same_name_as_the_part_is_kept(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(make_archive(*SMALL, kind="gz"))
    (tmp_path / ".a.tar.gz.part").mkdir()
    (tmp_path / ".a.tar.gz.part/mine").write_text("mine")
    with pytest.raises(InputError, match="is no begun unpacking"):
        unpack(path, tmp_path)
    assert (tmp_path / ".a.tar.gz.part/mine").read_text() == "mine"


def test_an_unpacking_that_ended_between_two_renames(tmp_path, monkeypatch):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(make_archive(*SMALL, kind="gz"))
    rename, renamed = Path.rename, []

    def stop(source, target):
        if renamed:
            raise KeyboardInterrupt
        renamed.append(source)
        return rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        with pytest.raises(KeyboardInterrupt):
            unpack(path, tmp_path / "out")
    unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == dict(SMALL)


def test_a_name_with_a_zero_byte(tmp_path):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("a")
        member.pax_headers = {"path": "a\0b"}
        tar.addfile(member)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(raw.getvalue()))
    with pytest.raises(InputError, match="is damaged"):
        unpack(path, tmp_path / "out")
