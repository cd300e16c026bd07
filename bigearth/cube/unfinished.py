"""The folder ``<cube>.partial/``, in which a cube lives while it is written.

It holds ``cube.h5`` (complete in layout), ``plan.json`` (what the cube will hold), ``layout.json`` (where its pixels
lie, and a checksum of all other bytes), one journal per rank, a lock and, where patches are cut from whole tiles at
10 m, the tiles that are being cut. Only a finished file is renamed to the cube's path, so that an unfinished one is
never mistaken for it. A killed process loses what it did not journal, no more.

Everything in the folder is checked: before the writing is resumed the plan must be the same, and the bytes beside the
pixels must have their checksum; before the cube gets its name, so must the rows of every unit that an interrupted run
journaled (`share`), because a node that lost power may have lost them. Files of others are left alone.
"""

import errno
import json
import os
import shutil
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bigearth import files
from bigearth.cube.creation import create
from bigearth.cube.layout import find_offsets, partial_folder
from bigearth.errors import InputError

_READ_BYTES = 1 << 24


@dataclass(frozen=True)
class JournalEntry:
    """A unit of work that is written: how many rows it has, and their checksum (`RowMeasurements.checksum`)."""

    rows: int
    checksum: int


class UnfinishedCube:
    """The folder of a cube that is being written.

    Attributes
    ----------
    cube : Path
        Where the finished cube will lie.
    folder, file : Path
        The folder, and the unfinished cube in it.
    tiles : Path
        Folder for tiles at 10 m, where patches are cut from such.
    """

    def __init__(self, cube: Path):
        self.cube = cube
        self.folder = partial_folder(cube)
        self.file = self.folder / "cube.h5"
        self.tiles = self.folder / "tiles"
        self._plan = self.folder / "plan.json"
        self._layout = self.folder / "layout.json"
        self._failed = self.folder / "failed"
        self._lock = self.folder / "lock"

    def check_folder(self) -> None:
        """Refuse a folder that is not the study's own.

        Raises
        ------
        InputError
            The folder is a link or a file; it holds files of the names that the study uses, but no plan of the study.
        """
        try:
            mode = os.lstat(self.folder).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(mode):
            raise InputError(f"{self.folder} is not a folder, but the cube is written there: choose another cube path")
        if self._read_plan() is not None:
            self._check_files()
            return
        foreign = [path.name for path in self._own_files() if path != self._lock and os.path.lexists(path)]
        if foreign:
            raise InputError(
                f"{self.folder} holds {foreign[0]} but no readable plan.json of this study, so nothing there is "
                "replaced: move the folder away, or choose another cube path"
            )

    def _check_files(self) -> None:
        """Refuse links, pipes and folders in place of the study's own files."""
        for path in self._own_files():
            if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
                raise InputError(f"{path} is not a regular file: move it away, or choose another cube path")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock; an empty folder is removed afterwards.

        The lock file is removed after it is closed: on NFS a file that is removed while open leaves another one behind.
        """
        try:
            with files.locked(self._lock, f"cube {self.cube}"):
                yield
        finally:
            if self._read_plan() is None:
                self._remove_lock()

    def can_resume(self, plan: str) -> bool:
        """Whether the folder holds the beginning of a cube by this plan, undamaged beside its pixels."""
        if self._read_plan() != plan or self.file.is_symlink():
            return False
        try:
            recorded = json.loads(self._layout.read_text())
            return recorded["checksum"] == self._checksum_frame(recorded["intervals"], recorded["bytes"])
        except (OSError, ValueError, TypeError, KeyError):
            return False

    def begin(self, plan: str, rows: pd.DataFrame, labels: tuple, upsampling: str, attributes: dict) -> None:
        """Create the cube without its pixels; what the study left there of another plan is removed first."""
        if self._read_plan() is not None:
            shutil.rmtree(self.tiles, ignore_errors=True)  # of other networks, or another offset
        for path in self._own_files():
            if path != self._lock:
                path.unlink(missing_ok=True)
        # the plan comes first: it says that the other files are the study's own
        with files.write_whole(self._plan) as new:
            new.write_text(plan)
        create(self.file, rows, labels, upsampling, attributes)
        intervals = []
        for offset, row_bytes in find_offsets(self.file).values():
            intervals.append([offset, offset + row_bytes * len(rows)])
        intervals.sort()
        size = self.file.stat().st_size
        layout = {"bytes": size, "intervals": intervals, "checksum": self._checksum_frame(intervals, size)}
        with files.write_whole(self._layout) as new:
            new.write_text(json.dumps(layout))

    def open_journal(self, rank: int) -> int:
        """Open a rank's journal for appending; returns the file descriptor."""
        journal = os.open(self.folder / f"journal-{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
        os.write(journal, b"\n")  # the last line may have been cut off by a kill
        return journal

    def read_journals(self) -> dict[str, JournalEntry]:
        """Return every unit that the journals name; lines that are damaged are passed over."""
        entries = {}
        for journal in sorted(self.folder.glob("journal-*.txt")):
            if not journal.is_file():
                continue
            for line in journal.read_text(errors="replace").splitlines():
                match line.split(" "):
                    case [unit, rows, checksum, "written"]:
                        with suppress(ValueError):
                            entries[unit] = JournalEntry(int(rows), int(checksum, 16))
        return entries

    def count_rows(self) -> tuple[int, int] | None:
        """Return how many rows are journaled, and how many the cube will have; None where none is begun."""
        plan = self._read_plan()
        if plan is None:
            return None
        rows = json.loads(plan)["rows"]
        done = sum(entry.rows for entry in self.read_journals().values())
        return min(done, rows), rows

    def mark_failed(self) -> None:
        """Tell the other ranks to stop after the unit they are at."""
        with suppress(OSError):  # on a full disk: then the others write on, or fail alike
            self._failed.touch()

    def forget_failure(self) -> None:
        """Remove the mark of an earlier failure."""
        self._failed.unlink(missing_ok=True)

    def has_failed(self) -> bool:
        """Whether a rank failed."""
        return self._failed.exists()

    @contextmanager
    def explain_full_disk(self) -> Iterator[None]:
        """Turn the error of a full disk or a used-up quota into an InputError that says what is kept."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            kept = ""
            with suppress(OSError):
                counted = self.count_rows()
                if counted is not None:
                    kept = f"; {counted[0]:,} of {counted[1]:,} rows are kept"
            message = f"{self.folder}: no space left, or the quota is used up{kept}: free some, then run again"
            raise InputError(message) from None

    def check_target(self) -> None:
        """Refuse to finish where something appeared under the cube's name meanwhile.

        Raises
        ------
        InputError
            Something is there.
        """
        if os.path.lexists(self.cube):
            raise InputError(
                f"{self.cube} was written by something else meanwhile and is not replaced; all rows of the cube are "
                f"kept in {self.folder}: move that file away, then run again"
            )

    def publish(self) -> None:
        """Give the finished cube its name, and remove what the study wrote beside it."""
        _wait_for_disk(self.file)  # the name must not reach the disk before the bytes do
        self.check_target()
        os.replace(self.file, self.cube)
        shutil.rmtree(self.tiles, ignore_errors=True)
        for path in self._own_files():
            if path != self._lock:
                path.unlink(missing_ok=True)

    def wait_for_disk(self) -> None:
        """Return when all written rows are on the disk; this may take minutes, during which a kill loses nothing."""
        _wait_for_disk(self.file)

    def _own_files(self) -> list[Path]:
        """The paths that the study writes in the folder, whether or not they are there; the plan comes last."""
        return [self.file, self._layout, self._failed, self._lock, *self.folder.glob("journal-*.txt"), self._plan]

    def _read_plan(self) -> str | None:
        """The plan as it was written; None where there is none, or another file of its name."""
        try:
            if not stat.S_ISREG(os.lstat(self._plan).st_mode):
                return None
            text = self._plan.read_text()
            plan = json.loads(text)
        except (OSError, ValueError):
            return None
        if not isinstance(plan, dict) or type(plan.get("rows")) is not int or "training" not in plan:
            return None
        return text

    def _remove_lock(self) -> None:
        """Remove the lock file, which is empty, and the folder if nothing else is in it."""
        with suppress(OSError):
            found = os.lstat(self._lock)
            if stat.S_ISREG(found.st_mode) and found.st_size == 0:
                self._lock.unlink()
            self.folder.rmdir()

    def _checksum_frame(self, intervals: list[list[int]], size: int) -> str:
        """CRC-32 of all bytes of the unfinished cube that are not in an interval of pixels, and of its size."""
        starts = [0, *(end for _, end in intervals)]
        ends = [*(start for start, _ in intervals), size]
        value = zlib.crc32(str(self.file.stat().st_size).encode())
        with open(self.file, "rb") as stream:
            for start, end in zip(starts, ends, strict=True):
                stream.seek(start)
                while start < end:
                    block = stream.read(min(_READ_BYTES, end - start))
                    if not block:
                        raise ValueError("the file is shorter than it was")
                    value = zlib.crc32(block, value)
                    start += len(block)
        return f"{value:08x}"


def _wait_for_disk(path: Path) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
