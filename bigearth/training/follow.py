"""A training as it is followed from a notebook: a line of progress, and the curve that grows with each epoch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display

from bigearth.errors import Interrupted
from bigearth.progress import Progress, read_note
from bigearth.training.records import NOTE


class Follower:
    """What a notebook shows of a training while it runs; call it about once a second.

    Parameters
    ----------
    folder : Path
        Of the run.
    read_history : callable
        Reads the epochs that are finished.
    draw : callable
        Draws a figure of them.
    """

    def __init__(
        self, folder: Path, read_history: Callable[[], pd.DataFrame], draw: Callable[[pd.DataFrame], Any]
    ) -> None:
        self._read_history, self._draw = read_history, draw
        self._steps = FollowedSteps(folder)
        self._what = f"training {folder.name}"
        self._progress = Progress(self._what)
        self._progress.say("waiting for the workers")
        self._drawn = 0
        self._curve = display({"text/plain": "The curve begins with the first epoch."}, raw=True, display_id=True)

    def __call__(self) -> None:
        self._steps.show(self._progress)
        history = self._read_history()
        if len(history) > self._drawn:
            self._drawn = len(history)
            figure = self._draw(history)
            self._update_curve(figure)
            plt.close(figure)

    def finish(self) -> None:
        """Say that the training is over; the notebook shows its curve below, as a figure of the page."""
        self._progress.finish(f"{self._what}: {len(self._read_history())} epochs")
        self._update_curve({"text/plain": "The finished curve is below."}, raw=True)

    def describe_stop(self) -> str:
        """Say where an interrupted training stopped, and how it goes on."""
        epochs = len(self._read_history())
        where = f"after epoch {epochs}" if epochs else "in its first epoch"
        return f"stopped {where}; run the cell again to go on"

    def _update_curve(self, shown: Any, **options: Any) -> None:
        if self._curve is not None:  # there is none outside a notebook
            self._curve.update(shown, **options)


class FollowedSteps:
    """The steps that rank 0 notes in a run's folder; a note of an earlier start does not count."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NOTE
        self._earlier = self._read_time()

    def show(self, progress: Progress) -> None:
        """Show the newest note as progress."""
        note = read_note(self._path) if self._read_time() != self._earlier else None
        if note is None:
            progress.say("the workers load TensorFlow and build the network")
        elif note["done"]:
            progress.reach(note["done"], note["total"], "step", note["stage"])
        else:
            progress.say(note["stage"])

    def _read_time(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0


@contextmanager
def follow(
    folder: Path, read_history: Callable[[], pd.DataFrame], draw: Callable[[pd.DataFrame], Any]
) -> Iterator[Follower]:
    """Follow a training from the start of its workers on; an interrupt ends it in one line.

    Raises
    ------
    Interrupted
        In place of a KeyboardInterrupt: says after which epoch the training goes on.
    """
    follower = Follower(folder, read_history, draw)
    try:
        yield follower
    except KeyboardInterrupt:
        raise Interrupted(follower.describe_stop()) from None
    follower.finish()
