"""How far a piece of work is: one class for all, shown as it suits the place.

A notebook has one output that is redrawn, so that an executed page keeps its last state only; a terminal has a bar that
is redrawn; a log file gets a line every half minute, and none of work that is done before. The workers of a group are
silent: who started them shows how far they are.
"""

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tqdm import tqdm

from bigearth.errors import Interrupted
from bigearth.files import write_whole

Item = TypeVar("Item")

REDRAW_SECONDS = 0.5  # from one drawing to the next, in a notebook or on a terminal
LOG_SECONDS = 30  # from one line of a log file to the next
NOTE_SECONDS = 1  # from one note of a worker to the next
MARK = {"progress": True}  # in the metadata of a notebook's output: it is no result
BAR = "{desc}: {percentage:.0f} % |{bar:10}| {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left{postfix}"
NO_RATE = "{desc}: {elapsed}{postfix}"


class Progress:
    """Show how far a piece of work is; a context manager whose end shows that it is done.

    Parameters
    ----------
    what : str
        What is done: "reading pixels".
    total : float, optional
        How much there is to do; None: not known.
    unit : str
        Of which there are so many, in the singular: "patch"; "B" for bytes.
    done : float
        What was done before; it does not count for the speed.
    """

    def __init__(self, what: str, total: float | None = None, unit: str = "", done: float = 0) -> None:
        self.what, self.total, self.unit, self.done, self.note = what, total, unit, done, ""
        self._begun = self._clock = time.monotonic()  # of all, and of what the speed is measured on
        self._first = done
        self._reached = False
        self._shown = 0.0  # when it was drawn last; 0: never
        self._place = _find_place()
        self._output: Any = None
        if total is None:  # nobody knows how long it takes: the reader sees at once that it has begun
            self._draw(patience=0)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.finish()
        elif self._shown and self._place == "terminal":
            sys.stderr.write("\n")
        if kind is KeyboardInterrupt and self._place == "notebook":
            raise Interrupted(f"{self.what}: stopped; run the cell again to go on") from None

    def update(self, more: float = 1) -> None:
        """Count what was done since the last call."""
        self._reached = True
        self.done += more
        self._draw(REDRAW_SECONDS)

    def reach(self, done: float, total: float | None = None, unit: str | None = None, note: str = "") -> None:
        """Take over how much is done in all.

        The clock starts with the first call, and anew with each new total: what was there before is no speed.
        """
        is_new = not self._reached or total not in (None, self.total)
        self.total = self.total if total is None else total
        self.unit = self.unit if unit is None else unit
        if is_new:
            self._clock, self._first = time.monotonic(), done
        self._reached = True
        self.done, self.note = done, note
        self._draw(REDRAW_SECONDS)

    def say(self, note: str) -> None:
        """Say what is being done now."""
        if note != self.note:
            self.note = note
            self._draw(0 if self.total is None else REDRAW_SECONDS)

    def finish(self, said: str = "") -> None:
        """Show that all is done, in one line; nothing where nothing was shown before.

        Parameters
        ----------
        said : str
            The line without the time it took; default: what was done, and how much of it.
        """
        if self._place == "nowhere" or not self._shown:
            return
        took = tqdm.format_interval(time.monotonic() - self._begun)
        counted = _count(self.done, self.unit) if self.unit and self.unit != "B" else "done"
        self._write(f"{said or f'{self.what}: {counted}'} in {took}", is_last=True)
        self._place = "nowhere"

    def _draw(self, patience: float) -> None:
        """Draw where the last drawing is older than ``patience``."""
        if self._place == "nowhere":
            return
        if self._place == "log":
            patience = LOG_SECONDS
        now = time.monotonic()
        if now - (self._shown or self._begun) < patience:
            return
        self._shown = now
        self._write(self._describe())

    def _describe(self) -> str:
        """The line that says how far the work is."""
        now = time.monotonic()
        form: str | None = NO_RATE
        if self._reached:
            form = BAR if self.total else None
        return tqdm.format_meter(
            self.done,
            self.total,
            elapsed=now - (self._clock if self._reached else self._begun),
            prefix=self.what,
            ascii=" #",
            unit=f" {self.unit}",
            unit_scale=self.unit == "B",
            bar_format=form,
            postfix=self.note or None,
            initial=self._first,
        )

    def _write(self, line: str, is_last: bool = False) -> None:
        if self._place == "notebook":
            self._display(line)
        elif self._place == "terminal":
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{line[:width]}" + "\n" * is_last)
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def _display(self, line: str) -> None:
        from IPython.display import display

        shown = {"text/plain": line}
        if self._output is None:
            self._output = display(shown, raw=True, display_id=True, metadata=MARK)
        else:
            self._output.update(shown, raw=True, metadata=MARK)


def _count(number: float, unit: str) -> str:
    """Such as "1 patch", "2,000 patches"."""
    if number == 1:
        return f"1 {unit}"
    return f"{number:,.0f} {unit}{'es' if unit.endswith('ch') else 's'}"


def _find_place() -> str:
    """Where this process shows progress: "notebook", "terminal", "log", or "nowhere" (a worker of a group)."""
    if "IPython" in sys.modules:
        from IPython import get_ipython

        kernel = getattr(get_ipython(), "kernel", None)
        if kernel is not None:
            return "nowhere" if type(kernel).__module__.startswith("ipyparallel") else "notebook"
    return "terminal" if sys.stderr.isatty() else "log"


def track(items: Sequence[Item], what: str, unit: str) -> Iterator[Item]:
    """Iterate over items, and show how many of them are done."""
    with Progress(what, len(items), unit) as progress:
        for item in items:
            yield item
            progress.update()


class Note:
    """A worker's note of how far it is, in a file that the notebook reads.

    Parameters
    ----------
    path : Path, optional
        Of the file; None: nothing is noted.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._written = 0.0

    def write(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Note the stage, and how much is done; most notes of the same second are left out, a new stage never."""
        if self._path is None or (done and time.monotonic() - self._written < NOTE_SECONDS):
            return
        self._written = time.monotonic()
        with write_whole(self._path) as partial:
            partial.write_text(json.dumps({"stage": stage, "done": done, "total": total}))

    def remove(self) -> None:
        """Remove the file: all is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def read_note(path: Path) -> dict[str, Any] | None:
    """Read a worker's note: {stage, done, total}; None where there is none, or no whole one."""
    try:
        note = json.loads(path.read_text())
        return note if {"stage", "done", "total"} <= note.keys() else None
    except (OSError, ValueError, AttributeError):
        return None
