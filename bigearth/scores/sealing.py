"""A checksum of a whole HDF5 file, kept in the block before it that HDF5 leaves to its users.

HDF5 checks neither its own structure nor the values, and can read a damaged file for ever. So the files that a training
hands over carry a checksum that is compared before HDF5 opens them.
"""

import zlib
from pathlib import Path

from bigearth.errors import InputError

BLOCK_BYTES = 512  # the smallest user block
READ_BYTES = 1 << 24
NAME = b"bigearth crc32 "


def seal(path: Path) -> None:
    """Write the checksum of a file, which was created with a user block of `BLOCK_BYTES`, into that block."""
    text = NAME + f"{compute_checksum(path):08x}\n".encode()
    with open(path, "r+b") as file:
        file.write(text.ljust(BLOCK_BYTES, b"\0"))


def check_seal(path: Path, remedy: str) -> None:
    """Compare a file with its checksum; a file that carries none, as older ones, is not looked at.

    Raises
    ------
    InputError
        The file is not as it was written.
    """
    with open(path, "rb") as file:
        block = file.read(BLOCK_BYTES)
    if not block.startswith(NAME):
        return
    recorded = block[len(NAME) :].split(b"\n")[0]
    found = f"{compute_checksum(path):08x}".encode()
    if recorded != found:
        raise InputError(f"{path} is damaged: its checksum is not the one that was recorded: {remedy}")


def compute_checksum(path: Path) -> int:
    """CRC-32 of what follows the user block."""
    value = 0
    with open(path, "rb") as file:
        file.seek(BLOCK_BYTES)
        while block := file.read(READ_BYTES):
            value = zlib.crc32(block, value)
    return value
