"""The unfinished map: scores of windows on disk, written by many ranks, with a journal from which it goes on.

The folder ``<map>.partial`` holds the plan, the scores and masked shares of all windows as plain arrays, and one
journal per rank. A line of a journal counts only if the scores on disk have the checksum that it names.
"""

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bigearth.errors import InputError
from bigearth.files import write_whole
from bigearth.outside import read_json

PLAN = "plan.json"
SCORES = "scores.f32"
MASKED = "masked.f32"
LOCK = "lock"
OWN_NAMES = (PLAN, SCORES, MASKED, LOCK, "scene", "map")
ADVICE = "choose another folder for results"


class Store:
    """Scores of all windows of a map while it is written.

    Parameters
    ----------
    folder : Path
    shape : (int, int, int)
        Rows and columns of windows, and labels.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int]) -> None:
        self.folder = folder
        self.shape = shape

    def create(self) -> None:
        """Write both files at their full size, without content."""
        rows, columns, labels = self.shape
        for name, count in ((SCORES, rows * columns * labels), (MASKED, rows * columns)):
            with open(self.folder / name, "wb") as file:
                file.truncate(4 * count)

    def write(self, rank: int, row: int, first: int, scores: np.ndarray, masked: np.ndarray) -> None:
        """Write the windows of a row from column ``first`` on, then journal them.

        Parameters
        ----------
        rank, row, first : int
        scores : (n, labels) float32, NaN where masked
        masked : (n,) float32
        """
        place = row * self.shape[1] + first
        for name, array, width in ((SCORES, scores, self.shape[2]), (MASKED, masked, 1)):
            descriptor = os.open(self.folder / name, os.O_WRONLY)
            try:
                os.pwrite(descriptor, np.ascontiguousarray(array, "<f4").tobytes(), 4 * width * place)
            finally:
                os.close(descriptor)
        line = f"{row} {first} {len(masked)} {_checksum(scores, masked)} written\n"
        with open(self.folder / f"journal-{rank}.txt", "a") as journal:
            journal.write(line)

    def scores(self) -> np.ndarray:
        """Scores of all windows, (rows, columns, labels) float32, mapped from disk."""
        return np.memmap(self.folder / SCORES, "<f4", "r", shape=self.shape)

    def masked(self) -> np.ndarray:
        """Masked shares of all windows, (rows, columns) float32."""
        return np.fromfile(self.folder / MASKED, "<f4").reshape(self.shape[:2])

    def find_written(self) -> set[tuple[int, int]]:
        """Find the pieces, as (row, first column), that the journals name and whose scores are whole."""
        scores, masked = self.scores(), self.masked()
        written = set()
        for row, first, count, checksum in _read_journals(self.folder):
            if row < self.shape[0] and first + count <= self.shape[1]:
                piece = slice(first, first + count)
                if _checksum(scores[row, piece], masked[row, piece]) == checksum:
                    written.add((row, first))
        return written


def _checksum(scores: np.ndarray, masked: np.ndarray) -> str:
    crc = zlib.crc32(np.ascontiguousarray(scores, "<f4").tobytes())
    return f"{zlib.crc32(np.ascontiguousarray(masked, '<f4').tobytes(), crc):08x}"


def _read_journals(folder: Path) -> Iterator[tuple[int, int, int, str]]:
    for path in folder.glob("journal-*.txt"):
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            whole = len(words) == 5 and words[4] == "written" and all(_is_number(word) for word in words[:3])
            if whole:
                yield int(words[0]), int(words[1]), int(words[2]), words[3]


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 10


def count_written(folder: Path) -> int:
    """Count the windows that the journals of an unfinished map name."""
    return sum(count for _, _, count, _ in _read_journals(folder))


def is_begun(folder: Path, plan: dict[str, Any], shape: tuple[int, int, int]) -> bool:
    """Whether the folder holds the beginning of a map by this plan; if not, remove what an earlier plan left there.

    Raises
    ------
    InputError
        The folder holds files that no map wrote.
    """
    names = sorted(item.name for item in folder.iterdir())
    foreign = [name for name in names if name not in OWN_NAMES and not is_journal(name)]
    if foreign:
        raise InputError(f"{folder} holds {foreign[0]}, which no map wrote: {ADVICE}")
    windows = shape[0] * shape[1]
    whole = _has_size(folder / SCORES, 4 * windows * shape[2]) and _has_size(folder / MASKED, 4 * windows)
    if whole and (folder / PLAN).is_file():
        try:
            same = read_json(folder / PLAN, "plan") == plan
        except InputError:  # cut off by a kill
            same = False
        if same:
            return True
    for name in names:
        if name in (PLAN, SCORES, MASKED) or is_journal(name):
            (folder / name).unlink()
    return False


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == size


def is_journal(name: str) -> bool:
    """Whether a file is the journal of a rank."""
    return name.startswith("journal-") and name.endswith(".txt")


def write_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Write the plan; from then on the folder can be resumed."""
    with write_whole(folder / PLAN) as part:
        part.write_text(json.dumps(plan, indent=1))
