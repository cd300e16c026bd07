"""Archives packed as the published ones are, or worse."""

import gzip
import io
import tarfile

import zstandard

# Suffix, and plain bytes per zstd frame or gzip member; None: one.
FORMS = {
    "tar": (".tar", None),
    "gz": (".tar.gz", None),
    "gz, many members": (".tar.gz", 100_000),
    "zst": (".tar.zst", None),
    "zst, many frames": (".tar.zst", 100_000),
}


def make_tar(members, form=tarfile.GNU_FORMAT):
    """A tar of (name, content) pairs; None as content: a folder; a TarInfo instead of a name is taken as it is."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as tar:
        for name, content in members:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if content is None and not isinstance(name, tarfile.TarInfo):
                member.type = tarfile.DIRTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return raw.getvalue()


def list_files(folder):
    """(name, content) of all that is in a folder, the folder's own name first, in no order of names."""
    found = [(folder.name, None)]
    for path in sorted(folder.rglob("*"), key=lambda path: (path.parent.name[::-1], path.name)):
        name = f"{folder.name}/{path.relative_to(folder)}"
        found.append((name, path.read_bytes() if path.is_file() else None))
    return found


def compress(raw, suffix, piece=None):
    """Compress the bytes of a tar in one piece or many."""
    pieces = [raw[i : i + piece] for i in range(0, len(raw), piece)] if piece else [raw]
    if suffix.endswith(".gz"):
        return b"".join(gzip.compress(part, 6, mtime=0) for part in pieces)
    if suffix.endswith(".zst"):
        compressor = zstandard.ZstdCompressor(write_checksum=True)
        return b"".join(compressor.compress(part) for part in pieces)
    return raw


def pack(folder, path, form="tar"):
    """Pack an archive's folder into a file; returns its path."""
    suffix, piece = FORMS[form]
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(compress(make_tar(list_files(folder)), suffix, piece))
    return packed
