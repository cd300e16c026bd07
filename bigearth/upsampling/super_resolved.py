"""All bands of a tile at 10 m, made by DSen2's networks: written by many ranks, with a journal from which it goes on.

A plain file holds the twelve bands one after the other, in wavelength order, uint16. A line of a journal counts only if
the pixels on disk have the checksum that it names.
"""

import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bigearth.archive import tile_pixels
from bigearth.archive.products import Tile
from bigearth.errors import InputError
from bigearth.patch import BANDS, BANDS_AT

_PIXELS = "bands.u16"
_STRIPS = "strips.txt"  # how many there are: progress is shown without loading TensorFlow
_BYTES = 2  # of a pixel


@dataclass(frozen=True)
class SuperResolved:
    """The file of a tile's bands at 10 m, and its journals.

    Attributes
    ----------
    folder : Path
    height, width : int
        Of the tile, in pixels of 10 m.
    """

    folder: Path
    height: int
    width: int

    @property
    def _shape(self) -> tuple[int, int, int]:
        return len(BANDS), self.height, self.width

    def create(self) -> None:
        """Make room for all bands; what an earlier run left is removed.

        Raises
        ------
        InputError
            The disk has no room.
        """
        from bigearth.upsampling.tile import list_strips  # TensorFlow takes seconds to load

        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        size = _BYTES * int(np.prod(self._shape))
        with open(self.folder / _PIXELS, "wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise InputError(
                    f"{self.folder} has no room for the tile at 10 m, {size / 1e9:.1f} GB ({error.strerror}): "
                    f"free space, or choose another folder"
                ) from None
        (self.folder / _STRIPS).write_text(str(len(list_strips(self.height))))

    def is_begun(self) -> bool:
        """Whether the file is there at its full size."""
        path = self.folder / _PIXELS
        return path.is_file() and path.stat().st_size == _BYTES * int(np.prod(self._shape))

    def write(self, rank: int, number: int, metres: int, row: int, made: np.ndarray) -> None:
        """Write a strip, then journal it.

        Parameters
        ----------
        rank : int
            Names the journal.
        number : int
            Of the strip.
        metres, row : int
            Native resolution of its bands, and its first line.
        made : (bands, lines, width) uint16 array
        """
        descriptor = os.open(self.folder / _PIXELS, os.O_WRONLY)
        try:
            for band, array in zip(BANDS_AT[metres], made, strict=True):
                place = (BANDS.index(band) * self.height + row) * self.width
                os.pwrite(descriptor, np.ascontiguousarray(array, "<u2").tobytes(), _BYTES * place)
        finally:
            os.close(descriptor)
        with open(self.folder / f"journal-{rank}.txt", "a") as journal:
            journal.write(f"{number} {_checksum(made)} written\n")

    def find_written(self) -> set[int]:
        """Find the strips that the journals name and whose pixels are whole."""
        from bigearth.upsampling.tile import list_strips  # TensorFlow takes seconds to load

        strips = list_strips(self.height)
        pixels = np.memmap(self.folder / _PIXELS, "<u2", "r", shape=self._shape)
        written = set()
        for number, checksum in _read_journals(self.folder).items():
            if number >= len(strips):
                continue
            strip = strips[number]
            bands = [BANDS.index(band) for band in BANDS_AT[strip.metres]]
            if _checksum(pixels[bands, strip.row : strip.row + strip.lines]) == checksum:
                written.add(number)
        return written

    def read_windows(self, top: int, lefts: np.ndarray, size: int) -> np.ndarray:
        """Read windows of one row: (n, size, size, 12) uint16; ``top`` and ``lefts`` in pixels of 10 m."""
        pixels = np.memmap(self.folder / _PIXELS, "<u2", "r", shape=self._shape)
        found = [pixels[:, top : top + size, left : left + size] for left in lefts.tolist()]
        return np.moveaxis(np.stack(found), 1, -1)


def count_strips(folder: Path) -> tuple[int, int]:
    """Count the strips that the journals of a folder name, and all strips; (0, 0) where nothing is super-resolved."""
    try:
        return len(_read_journals(folder)), int((folder / _STRIPS).read_text())
    except (OSError, ValueError):
        return 0, 0


def _read_journals(folder: Path) -> dict[int, str]:
    """Number of each strip that the journals name, and its checksum."""
    written = {}
    for path in folder.glob("journal-*.txt"):
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            if len(words) == 3 and words[2] == "written" and words[0].isascii() and words[0].isdigit():
                written[int(words[0])] = words[1]
    return written


def super_resolve_share(
    tile: Tile,
    store: SuperResolved,
    written: set[int],
    load_models: Callable[[], dict | None],
    rank: int,
    size: int,
) -> None:
    """Bring this rank's share of a tile's strips to 10 m.

    Parameters
    ----------
    tile : Tile
    store : SuperResolved
    written : set of int
        Strips that an interrupted run left.
    load_models : callable
        Loads DSen2's networks, {20: keras.Model, 60: keras.Model}; called only where strips are missing.
    rank, size : int
        This rank, and how many there are.
    """
    from bigearth.upsampling.tile import list_strips, make_strip  # TensorFlow takes seconds to load

    strips = list_strips(store.height)
    missing = [number for number in range(len(strips)) if number not in written]
    share = missing[rank::size]
    if not share:
        return
    models = load_models() or {}
    datasets = tile_pixels.open_bands(tile)
    for number in share:
        strip = strips[number]
        made = make_strip(tile, datasets, strip, models)
        store.write(rank, number, strip.metres, strip.row, made)


def _checksum(made: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(made, '<u2').tobytes()):08x}"
