"""The file of a training run's predictions, ``predictions.h5``: written after training, read for scoring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import pandas as pd

from bigearth.cube.layout import SPLIT_TYPE, write_places
from bigearth.errors import InputError
from bigearth.files import write_whole
from bigearth.patch import BANDS, RGB, SPLITS
from bigearth.scores.sealing import BLOCK_BYTES, check_seal, seal

ATTRIBUTE_TYPES = {
    "run": str,
    "upsampling": str,
    "nomenclature": int,
    "miniature": bool,
    "epochs": int,
    "finished": bool,
}
REMEDY = "leave the run out, or train it again under another name"


@dataclass(frozen=True)
class Predictions:
    """Predictions of a run.

    Attributes
    ----------
    run, upsampling : str
    bands, labels : tuple of str
    nomenclature, epochs : int
    miniature, finished : bool
    patch, split : array (N,) of str
    truth : uint8 array (N, C) of 0 and 1
    score : float32 array (N, C) in 0 ... 1
    """

    run: str
    bands: tuple[str, ...]
    upsampling: str
    labels: tuple[str, ...]
    nomenclature: int
    miniature: bool
    epochs: int
    finished: bool
    patch: np.ndarray
    split: np.ndarray
    truth: np.ndarray
    score: np.ndarray

    @property
    def model(self) -> str:
        """Name of the model: ``rgb``, ``multispectral``, ``multiresolution`` or its bands; with DSen2 if used."""
        if len(self.bands) == 1:
            name = self.bands[0]
        elif set(self.bands) == set(BANDS):
            name = "multispectral"
        elif set(self.bands) == set(RGB):
            name = "rgb"
        else:
            name = " ".join(self.bands)
        return f"{name}, dsen2" if self.upsampling == "dsen2" else name

    def select(self, split: str) -> "Predictions":
        """Predictions of one split."""
        mask = self.split == split
        return replace(
            self, patch=self.patch[mask], split=self.split[mask], truth=self.truth[mask], score=self.score[mask]
        )


class LabelledPatches(Protocol):
    """The part of a cube that `write_predictions` needs."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of the classes, in the order of the columns."""

    @property
    def nomenclature(self) -> int:
        """43 or 19."""

    @property
    def miniature(self) -> bool:
        """Whether the patches are generated."""

    def patches(self, split: str) -> np.ndarray:
        """Names of the patches of a split."""

    def places(self, split: str) -> pd.DataFrame | None:
        """Coordinates and dates of the patches of a split; None where they are unknown."""


def read_predictions(path: Path) -> Predictions:
    """Read ``predictions.h5`` of a training run.

    Raises
    ------
    InputError
        The file is missing or unreadable, its datasets do not fit together, or a value is impossible.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} is missing: the run has not finished its training, run 03_training for it first")
    if not path.is_file():
        raise InputError(f"{path} is no regular file: {REMEDY}")
    try:
        check_seal(path, REMEDY)
        with h5py.File(path) as file:
            attributes = {"upsampling": "network", **file.attrs}
            for name in ("patch", "split", "truth", "score"):
                if not isinstance(file[name], h5py.Dataset):
                    raise ValueError(f"{name} is no dataset")
            patch = file["patch"].asstr()[:]
            codes = file["split"][:]
            truth = file["truth"][:]
            score = file["score"][:]
        texts: dict[str, Any] = {}
        for name in ("bands", "labels"):
            texts[name] = tuple(str(text) for text in np.atleast_1d(attributes[name]))
        values = {name: _read_attribute(attributes, name, kind) for name, kind in ATTRIBUTE_TYPES.items()}
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f"{path} is not a complete prediction file ({error}): {REMEDY}") from error

    wanted = (len(patch), len(texts["labels"]))
    if not (truth.shape == score.shape == wanted and codes.shape == patch.shape):
        raise InputError(f"{path}: its truth {truth.shape} and score {score.shape} differ from {wanted}: {REMEDY}")
    problem = find_impossible_value(patch, codes, truth, score, texts["labels"], values["epochs"])
    if problem:
        raise InputError(f"{path}: {problem}: {REMEDY}")
    return Predictions(
        **values,
        **texts,
        patch=patch,
        split=np.array(SPLITS)[codes],
        truth=truth.astype(np.uint8, copy=False),
        score=score,
    )


def _read_attribute(attributes: Mapping[str, Any], name: str, kind: type) -> Any:
    """An attribute of its own type: the text "False" is no bool, and 1.5 no number of epochs."""
    value = attributes[name]
    value = value.item() if isinstance(value, np.generic) else value
    if type(value) is not kind:
        raise ValueError(f"attribute {name} is {value!r:.60}, not of type {kind.__name__}")
    return value


def find_impossible_value(
    patch: np.ndarray, codes: np.ndarray, truth: np.ndarray, score: np.ndarray, labels: Sequence[str], epochs: int
) -> str:
    """Name the first value that no training writes; empty text where there is none."""
    if codes.dtype.kind not in "iu" or not np.isin(codes, range(len(SPLITS))).all():
        return f"a split is none of the codes 0 to {len(SPLITS) - 1}"
    if truth.dtype.kind not in "iub" or not np.isin(truth, (0, 1)).all():
        return "a label of its truth is neither 0 nor 1"
    if score.dtype.kind != "f" or not ((score >= 0) & (score <= 1)).all():
        return "a score is not a number from 0 to 1"
    if len(np.unique(patch)) < len(patch):
        return "a patch appears twice"
    if len(set(labels)) < len(labels):
        return "a label's name appears twice"
    if epochs < 0:
        return f"it was scored after epoch {epochs}"
    return ""


def read_runs(workdir: Path, runs: Sequence[str]) -> tuple[dict[str, Predictions], pd.DataFrame]:
    """Predictions of several runs, and the status of each.

    Parameters
    ----------
    workdir : Path
        Predictions are in ``runs/<run>/predictions.h5`` below it.
    runs : sequence of str

    Returns
    -------
    found : dict {run: Predictions}
        Runs whose classes are those of the first readable one.
    status : DataFrame
        One row per run: run, bands, epochs, classes, train, validation, test (patches), status.

    Raises
    ------
    InputError
        No run has predictions.
    """
    if isinstance(runs, str):
        runs = [runs]
    found: dict[str, Predictions] = {}
    rows: list[dict[str, Any]] = []
    for run in dict.fromkeys(runs):
        if run in ("", ".", "..") or Path(run).name != run:
            raise InputError(f"runs: {run!r} is no name of a run: give the name of a folder in {workdir}/runs")
        try:
            predictions = read_predictions(Path(workdir) / "runs" / run / "predictions.h5")
        except InputError as error:
            reason = str(error).replace(f"{workdir}/", "")
            rows.append({"run": run, "status": f"left out: {reason}"})
            continue
        first = next(iter(found.values()), predictions)
        if predictions.labels == first.labels:
            found[run] = predictions
        rows.append(describe_status(run, predictions, first))
    if not found:
        raise InputError(
            f"runs: none of {list(runs)} has usable predictions in {workdir}/runs: run 03_training first"
            + "".join(f"; {row['run']}: {row['status']}" for row in rows)
        )
    columns = ["run", "bands", "epochs", "classes", *SPLITS, "status"]
    return found, pd.DataFrame(rows).reindex(columns=columns).convert_dtypes()


def describe_status(run: str, predictions: Predictions, first: Predictions) -> dict[str, Any]:
    """One row of the status table; ``first`` is the run that all others are compared with."""
    row = {
        "run": run,
        "bands": " ".join(predictions.bands),
        "epochs": predictions.epochs,
        "classes": len(predictions.labels),
    }
    for split in SPLITS:
        row[split] = int((predictions.split == split).sum())
    if predictions.labels != first.labels:
        classes = f"its {len(predictions.labels)} classes are not those of {first.run} ({len(first.labels)})"
        row["status"] = f"left out: {classes}"
    elif predictions.finished:
        row["status"] = "finished"
    else:
        row["status"] = f"unfinished training: scored after epoch {predictions.epochs}"
    return row


def choose_splits(predictions: Predictions, allow_empty_splits: bool = False) -> tuple[str, str]:
    """Names of the splits to score and to choose thresholds on: ("test", "validation") unless they are empty.

    Raises
    ------
    InputError
        One is empty and ``allow_empty_splits`` does not let the training rows stand in for it.
    """
    filled = set(predictions.split)
    empty = [split for split in ("test", "validation") if split not in filled]
    if empty and not allow_empty_splits:
        raise InputError(
            f"run {predictions.run}: no patches in its {' and '.join(empty)} split; "
            "set allow_empty_splits to score training rows in their place"
        )
    scored = "train" if "test" in empty else "test"
    chosen_on = "train" if "validation" in empty else "validation"
    return scored, chosen_on


def write_predictions(
    path: Path,
    data: LabelledPatches,
    predictions: Mapping[str, tuple[np.ndarray, np.ndarray]],
    attributes: Mapping[str, Any],
) -> None:
    """Write ``predictions.h5``: patch, split, truth and score of every scored patch, and its place where it is known.

    Parameters
    ----------
    path : Path
        Replaced when the new file is whole.
    data : Cube
    predictions : {split: (truth, score)}
    attributes : mapping
        Of the file, beside labels, nomenclature and miniature.
    """
    names, codes, places, truths, scores = [], [], [], [], []
    for split, (truth, score) in predictions.items():
        names.append(data.patches(split))
        codes.append(np.full(len(truth), SPLITS.index(split), np.uint8))
        places.append(data.places(split))
        truths.append(truth)
        scores.append(score)
    known = {"labels": list(data.labels), "nomenclature": data.nomenclature, "miniature": data.miniature}
    with write_whole(path) as partial:
        with h5py.File(partial, "w", userblock_size=BLOCK_BYTES) as file:
            file.create_dataset("patch", data=np.concatenate(names).astype(object), dtype=h5py.string_dtype())
            file.create_dataset("split", data=np.concatenate(codes), dtype=SPLIT_TYPE)
            if all(table is not None for table in places):
                write_places(file, pd.concat(places))
            file["truth"] = np.concatenate(truths)
            file["score"] = np.concatenate(scores)
            file.attrs.update({**known, **attributes})
        seal(partial)
