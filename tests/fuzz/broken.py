"""Ways in which files and bytes are broken, as hypothesis strategies of small descriptions."""

import os
from pathlib import Path

from hypothesis import strategies as st

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"

# (what, where between 0 and 1, how much)
DAMAGES = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 0.999), st.just(0)),
    st.tuples(st.just("flip"), st.floats(0, 0.999), st.integers(0, 7)),
    st.tuples(st.just("zeros"), st.floats(0, 0.999), st.integers(1, 64)),
    st.tuples(st.just("insert"), st.floats(0, 0.999), st.integers(1, 16)),
    st.tuples(st.just("empty"), st.just(0.0), st.just(0)),
    st.tuples(st.just("lfs"), st.just(0.0), st.just(0)),
    st.tuples(st.just("text"), st.just(0.0), st.integers(0, 3)),
)

# What stands where a regular file is expected.
NO_FILES = st.sampled_from(["missing", "folder", "fifo", "loop", "dangling", "device"])


def damaged(content: bytes, damage: tuple[str, float, int]) -> bytes:
    """Bytes with one damage of `DAMAGES`."""
    what, where, much = damage
    place = int(where * len(content))
    if what == "cut":
        return content[:place]
    if what == "flip":
        return content[:place] + bytes([content[place] ^ (1 << much)]) + content[place + 1 :]
    if what == "zeros":
        return content[:place] + bytes(min(much, len(content) - place)) + content[place + much :]
    if what == "insert":
        return content[:place] + b"\xff" * much + content[place:]
    if what == "lfs":
        return LFS_POINTER
    if what == "text":
        return (b"<html>404 Not Found</html>", b"\xff\xfe\x00x\x00", b"{}", b"null")[much]
    return b""


def put(path: Path, what: str) -> None:
    """Put something that is no regular file where one is expected."""
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "dangling":
        path.symlink_to("nowhere")
    elif what == "device":
        path.symlink_to("/dev/zero")
