"""Prediction files for tests, written without training."""

import h5py
import numpy as np

from bigearth.labels import LABELS_43


def write_predictions(workdir, run, quality=0.8, bands="rgb", patches=60, seed=1, labels=LABELS_43, **attributes):
    """A finished run's ``predictions.h5``: scores that are right in a share ``quality`` of the decisions."""
    random = np.random.default_rng(3)
    truth = (random.random((patches, len(labels))) < 0.15).astype(np.uint8)
    right = np.random.default_rng(seed).random(truth.shape) < quality
    score = np.where(truth == right, 0.9, 0.1).astype(np.float32)
    folder = workdir / "runs" / run
    folder.mkdir(parents=True)
    with h5py.File(folder / "predictions.h5", "w") as file:
        file["patch"] = np.array([f"patch-{i}" for i in range(patches)], dtype=h5py.string_dtype())
        file["split"] = (np.arange(patches) % 3).astype(np.uint8)
        file["truth"] = truth
        file["score"] = score
        known = {"run": run, "bands": bands, "labels": list(labels), "nomenclature": 43, "miniature": True}
        file.attrs.update({**known, "epochs": 2, "finished": True, **attributes})
    return folder / "predictions.h5"
