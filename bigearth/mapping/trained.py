"""A finished run, as a map needs it: its labels, its thresholds, and what its network reads. Needs no TensorFlow."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bigearth.errors import InputError
from bigearth.scores.metrics import THRESHOLD, choose_thresholds
from bigearth.scores.predictions import read_predictions

NETWORK = "model.keras"


@dataclass(frozen=True)
class TrainedRun:
    """A finished run; ``thresholds`` holds one score per label, and ``chosen`` says where they come from."""

    name: str
    folder: Path
    labels: tuple[str, ...]
    upsampling: str
    is_miniature: bool
    thresholds: np.ndarray
    chosen: str

    def fingerprint(self) -> str:
        """SHA-256 of the network's file: maps of two networks must not meet in one file."""
        return hashlib.sha256((self.folder / NETWORK).read_bytes()).hexdigest()


def read_run(folder: Path, threshold: float | None = None) -> TrainedRun:
    """Read what a finished run says about itself, and choose its thresholds.

    Parameters
    ----------
    folder : Path
        ``<workdir>/runs/<run>``.
    threshold : float, optional
        Score from which every label is given. Default: for each label the score with the best F1 on the run's
        validation split (`bigearth.scores.metrics.choose_thresholds`).

    Raises
    ------
    InputError
        The run is missing or unfinished, or the threshold is not between 0 and 1.
    """
    if not folder.is_dir():
        raise InputError(f"run {folder} is missing: give the folder of a run that notebook 03 trained")
    if not (folder / NETWORK).is_file():
        raise InputError(f"run {folder} has no {NETWORK}: train it to its end in notebook 03")
    predictions = read_predictions(folder / "predictions.h5")
    thresholds = np.full(len(predictions.labels), THRESHOLD)
    validation = predictions.select("validation")
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise InputError(f"threshold {threshold} is no score: give a number from 0 to 1, or none")
        thresholds[:] = threshold
        chosen = f"{threshold:g} for every label"
    elif len(validation.truth):
        thresholds = choose_thresholds(validation.truth, validation.score)
        chosen = f"per label, with the best F1 on the {len(validation.truth):,} validation patches of the run"
    else:
        chosen = f"{THRESHOLD:g} for every label, since the run has no validation patches to choose better ones on"
    return TrainedRun(
        folder.name, folder, predictions.labels, predictions.upsampling, predictions.miniature, thresholds, chosen
    )
