"""The pass over a packed archive: files of patches, odd members, damage anywhere."""

import tarfile

import pytest

from bigearth.archive.members import FILE_ENDS, MISSING, TWICE, list_members
from bigearth.archive.streams import GZIP, TAR, ZSTD
from bigearth.errors import InputError
from bigearth.patch import MINIATURE_MARKER
from tests.archive.packing import compress, make_tar

V1 = "S2A_MSIL2A_20170613T101031_0_45"
PRODUCT = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
V2 = f"{PRODUCT}_26_57"
KINDS = [(".tar", TAR), (".tar.gz", GZIP), (".tar.zst", ZSTD)]


class Sink:
    """Keeps what it is given."""

    def __init__(self):
        self.tables, self.descriptions = {}, {}

    def add_table(self, name, content):
        self.tables[name] = content

    def add_description(self, row, content):
        self.descriptions[row] = content


def patch(folder, ends=FILE_ENDS):
    name = folder.rpartition("/")[2]
    return [(folder, None), *((f"{folder}/{name}{end}", f"{name}{end}".encode() * 9) for end in ends)]


@pytest.fixture
def listed(file):
    def run(members, kind=TAR, suffix=".tar", form=tarfile.GNU_FORMAT, md5=None):
        sink = Sink()
        return list_members(file(compress(make_tar(members, form), suffix)), kind, sink, md5), sink

    return run


@pytest.mark.parametrize(("suffix", "kind"), KINDS)
def test_files_of_patches(listed, suffix, kind):
    second = V1.replace("_45", "_46")
    found, sink = listed([("top", None), *patch(f"top/{V1}"), *patch(f"top/{second}", FILE_ENDS[1:])], kind, suffix)
    raw = make_tar([("top", None), *patch(f"top/{V1}"), *patch(f"top/{second}", FILE_ENDS[1:])])
    assert found.folders == [V1, second] and found.count == 28
    assert found.sizes[1, 0] == MISSING and (found.sizes[0] > 0).all()
    for column, end in enumerate(FILE_ENDS):
        offset, size = found.offsets[0, column], found.sizes[0, column]
        assert raw[offset : offset + size] == f"{V1}{end}".encode() * 9
    assert sink.descriptions[1] == f"{second}{FILE_ENDS[-1]}".encode() * 9
    assert found.verified == {TAR: "", GZIP: "gzip's checksums", ZSTD: "zstd's checksums"}[kind]


def test_the_layout_of_v2(listed):
    maps = [(f"Reference_Maps/{PRODUCT}/{V2}/{V2}_reference_map.tif", b"m"), (f"Reference_Maps/{PRODUCT}/{V2}", None)]
    found, sink = listed([*maps, *patch(f"./BigEarthNet-S2/{PRODUCT}/{V2}", FILE_ENDS[:-1])])
    assert found.folders == [f"BigEarthNet-S2/{PRODUCT}/{V2}"]
    assert not sink.descriptions


def test_tables_are_kept(listed):
    names = ["metadata.parquet", "top/lists/snow.csv", "top/lists/splits/train.csv.gz", f"top/{MINIATURE_MARKER}"]
    _, sink = listed([*((name, name.encode()) for name in names), ("top/lists/../x", None)][:-1] + patch(V1))
    expected = {"metadata.parquet", "lists/snow.csv", "lists/splits/train.csv.gz", MINIATURE_MARKER}
    assert set(sink.tables) == expected
    assert sink.tables["lists/snow.csv"] == b"top/lists/snow.csv"


def test_a_file_that_stands_twice(listed):
    found, _ = listed([*patch(V1), (f"other/{V1}/{V1}_B02.tif", b"x")])
    assert (found.sizes == TWICE).sum() == 1


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_foreign_names(listed, form):
    found, _ = listed([("é" * 200 + "/x" * 50, b"y"), *patch("long/" * 40 + V1)], form=form)
    assert found.folders == [V1] and (found.sizes[0] > 0).all()


def odd(name, kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("member", "match"),
    [
        (odd(f"/{V1}/x"), "leads out"),
        (odd(f"a/../../{V1}/x"), "leads out"),
        (odd("link", tarfile.SYMTYPE, "/etc/passwd"), "neither file nor folder"),
        (odd(f"{V1}/{V1}_B02.tif", tarfile.LNKTYPE, "/etc/passwd"), "neither file nor folder"),
        (odd("pipe", tarfile.FIFOTYPE), "neither file nor folder"),
        (odd("device", tarfile.BLKTYPE), "neither file nor folder"),
    ],
)
def test_members_that_are_refused(listed, member, match):
    with pytest.raises(InputError, match=match) as error:
        listed([*patch(V1), (member, b"")])
    assert "\n" not in str(error.value)


def test_a_sparse_file_is_refused(file):
    member = odd(f"{V1}/{V1}_B02.tif", tarfile.GNUTYPE_SPARSE)
    with pytest.raises(InputError):
        list_members(file(make_tar([(member, b"")])), TAR, Sink(), None)


@pytest.mark.parametrize("size", [b"77777777777", b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", b"\xff" * 12, b"-1"])
@pytest.mark.parametrize(("suffix", "kind"), KINDS)
def test_a_size_that_cannot_be(file, size, suffix, kind):
    raw = bytearray(make_tar([(f"{V1}/{V1}_B02.tif", b"x" * 600), ("b", b"y")]))
    raw[124:136] = size.ljust(12, b"\0")
    checksum = sum(raw[:148]) + 8 * 32 + sum(raw[156:512])
    raw[148:156] = b"%06o\0 " % checksum
    with pytest.raises(InputError, match="is damaged"):
        list_members(file(compress(bytes(raw), suffix)), kind, Sink(), None)


def test_a_header_of_many_bytes_is_not_read(file):
    member = odd("././@PaxHeader", tarfile.XHDTYPE)
    with pytest.raises(InputError, match="is damaged"):
        list_members(file(compress(make_tar([(member, bytes(5_000_000))]), ".zst")), ZSTD, Sink(), None)


@pytest.mark.parametrize(("suffix", "kind"), KINDS)
def test_every_cut_is_noticed(file, suffix, kind):
    raw = make_tar(patch(V1, FILE_ENDS[:3]))
    end = raw.rstrip(b"\0")
    last = len(end) // 512 * 512 + 512  # where the mark of the end begins
    whole = raw if kind == TAR else compress(raw, suffix)
    lengths = [*range(1, last + 512, 97), last, last + 511] if kind == TAR else range(1, len(whole), 5)
    for length in lengths:
        with pytest.raises(InputError, match="is damaged"):
            list_members(file(whole[:length]), kind, Sink(), None)


def test_every_flipped_bit_of_a_header_is_noticed(file):
    whole = make_tar(patch(V1, FILE_ENDS[:1]))
    for position in [*range(0, 500, 7), *range(512, 1000, 7)]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(InputError, match="is damaged"):
            list_members(file(bytes(damaged)), TAR, Sink(), None)


def test_bytes_after_the_end(file):
    raw = make_tar(patch(V1))
    for suffix, kind in KINDS:
        with pytest.raises(InputError, match="bytes after its end"):
            list_members(file(compress(raw + raw, suffix)), kind, Sink(), None)


def test_the_published_md5(listed):
    with pytest.raises(InputError, match="has not the published md5"):
        listed(patch(V1), ZSTD, ".zst", md5="0" * 32)
