"""What training runs predicted, read for scoring."""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth.cube.layout import SPLIT_TYPE, write_places
from bigearth.errors import InputError
from bigearth.patch import BANDS, RGB, SPLITS

ATTRIBUTES = {"run": str, "upsampling": str, "nomenclature": int, "miniature": bool, "epochs": int, "finished": bool}


@dataclass(frozen=True)
class Predictions:
    """What a run predicted. ``truth`` (N, C) uint8, ``score`` (N, C) float32, ``patch`` and ``split`` (N,) strings."""

    run: str
    bands: tuple
    upsampling: str
    labels: tuple
    nomenclature: int
    miniature: bool
    epochs: int
    finished: bool
    patch: np.ndarray
    split: np.ndarray
    truth: np.ndarray
    score: np.ndarray

    @property
    def model(self):
        """Name of the model: ``rgb``, ``multispectral``, ``multiresolution`` or its bands; and DSen2."""
        named = {frozenset(BANDS): "multispectral", frozenset(RGB): "rgb"}
        name = self.bands[0] if len(self.bands) == 1 else named.get(frozenset(self.bands), " ".join(self.bands))
        return f"{name}, dsen2" if self.upsampling == "dsen2" else name

    def part(self, split):
        """Predictions of one split, or of a boolean mask."""
        mask = self.split == split if isinstance(split, str) else split
        arrays = {name: getattr(self, name)[mask] for name in ("patch", "split", "truth", "score")}
        return replace(self, **arrays)


def read_predictions(path):
    """Read ``predictions.h5`` of a training run.

    Raises
    ------
    InputError
        If the file is missing, unreadable, or its parts do not fit together.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} is missing: the run has not finished its training, run 03_training for it first")
    try:
        with h5py.File(path) as file:
            attrs, patch, codes = {"upsampling": "network", **file.attrs}, file["patch"].asstr()[:], file["split"][:]
            truth, score = file["truth"][:], file["score"][:]
        texts = {key: tuple(str(text) for text in np.atleast_1d(attrs[key])) for key in ("bands", "labels")}
        known = {key: kind(attrs[key]) for key, kind in ATTRIBUTES.items()}
    except (OSError, KeyError) as error:
        raise InputError(f"{path} is not a complete prediction file ({error}): run 03_training again") from error
    if not (truth.shape == score.shape == (len(codes), len(texts["labels"])) and len(patch) == len(codes)):
        raise InputError(f"{path}: its truth {truth.shape} and score {score.shape} differ: run 03_training again")
    return Predictions(**known, **texts, patch=patch, split=np.array(SPLITS)[codes], truth=truth, score=score)


def read_runs(workdir, runs):
    """Predictions of several runs, and what is to be known of each.

    Parameters
    ----------
    workdir : Path
        Predictions are in ``runs/<run>/predictions.h5`` below it.
    runs : list of str

    Returns
    -------
    found : dict {run: Predictions}
        Runs whose classes are those of the first readable one.
    status : DataFrame
        One row per run: run, bands, epochs, classes, train, validation, test (patches), status.

    Raises
    ------
    InputError
        If not one run has predictions.
    """
    found, rows = {}, []
    for run in runs:
        try:
            read = read_predictions(Path(workdir) / "runs" / run / "predictions.h5")
        except InputError as error:
            rows.append({"run": run, "status": f"left out: {error}".replace(f"{workdir}/", "")})
            continue
        status = "finished" if read.finished else f"unfinished training: scored after epoch {read.epochs}"
        neighbour = next(iter(found.values()), read)
        if read.labels != neighbour.labels:
            status = (
                f"left out: its {len(read.labels)} classes are not those of {neighbour.run} ({len(neighbour.labels)})"
            )
        else:
            found[run] = read
        patches = {split: int((read.split == split).sum()) for split in SPLITS}
        row = {"run": run, "bands": " ".join(read.bands), "epochs": read.epochs, "classes": len(read.labels)}
        rows.append({**row, **patches, "status": status})
    if not found:
        raise InputError(f"runs: none of {list(runs)} has usable predictions in {workdir}/runs: run 03_training first")
    columns = ["run", "bands", "epochs", "classes", *SPLITS, "status"]
    return found, pd.DataFrame(rows).reindex(columns=columns).convert_dtypes()


def scored_split(predictions, allow_empty_splits=False):
    """Names of the splits to score and to choose thresholds on: ("test", "validation") unless they are empty.

    Raises
    ------
    InputError
        If one is empty and ``allow_empty_splits`` does not let the training rows stand in for it.
    """
    filled = set(predictions.split)
    missing = [split for split in ("test", "validation") if split not in filled]
    if missing and not allow_empty_splits:
        raise InputError(
            f"run {predictions.run}: no patches in its {' and '.join(missing)} split; "
            "set allow_empty_splits to score training rows in their place"
        )
    return tuple("train" if split in missing else split for split in ("test", "validation"))


def write_predictions(path, data, predictions, attributes):
    """Write ``predictions.h5``: patch, split, truth and score of every scored patch, and its place where that is known.

    Parameters
    ----------
    path : Path
        Replaced when the new file is whole.
    data : Cube
    predictions : {split: (truth, score)}
    attributes : dict
        Of the file, beside labels, nomenclature and miniature.
    """
    partial = path.with_name(f".{path.name}.partial")
    with h5py.File(partial, "w") as file:
        names = np.concatenate([data.patches(split) for split in predictions]).astype(object)
        codes = np.repeat([SPLITS.index(split) for split in predictions], [len(t) for t, _ in predictions.values()])
        file.create_dataset("patch", data=names, dtype=h5py.string_dtype())
        file.create_dataset("split", data=codes, dtype=SPLIT_TYPE)
        places = [data.places(split) for split in predictions]
        if all(part is not None for part in places):
            write_places(file, pd.concat(places))
        file["truth"] = np.concatenate([truth for truth, _ in predictions.values()])
        file["score"] = np.concatenate([score for _, score in predictions.values()])
        known = {"labels": list(data.labels), "nomenclature": data.nomenclature, "miniature": data.miniature}
        file.attrs.update(known | attributes)
    partial.replace(path)
