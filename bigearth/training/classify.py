"""Patches of a folder, classified by the network of a finished run."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd

from bigearth.errors import InputError
from bigearth.patch import BANDS_AT


def load_model(run):
    """The network of a finished run.

    Raises
    ------
    InputError
        The run has not been trained to its end.
    """
    if not (Path(run) / "model.keras").exists() or not (Path(run) / "predictions.h5").exists():
        raise InputError(f"run {run} has no model.keras and predictions.h5: train it to its end in notebook 03")
    return keras.saving.load_model(Path(run) / "model.keras", compile=False)


def predict_patches(run, patches, batch_size=64):
    """Score patches with a finished run's ``model.keras``.

    Parameters
    ----------
    run : path
        Folder of the run.
    patches : list of Path
        Folders of GeoTIFFs, as in a BigEarthNet archive.

    Returns
    -------
    scores : DataFrame
        One row per patch (index: its name), one column per label: the score, 0 to 1.
    images : uint16 array (N, 120, 120, 4)
        The 10 m bands that were read.

    Raises
    ------
    InputError
        The run is not finished, there is no patch, or the network wants bands that DSen2 made.
    """
    from bigearth.archive.pixels import read_patch  # these need GDAL, training itself does not
    from bigearth.upsampling.datasets import datasets

    model, score, images = load_model(run), [], []
    with h5py.File(Path(run) / "predictions.h5") as file:
        labels, upsampling = list(file.attrs["labels"]), file.attrs["upsampling"]
    if upsampling == "dsen2":
        raise InputError(f"run {run} wants bands super-resolved by DSen2: predict from a cube instead")
    if not patches:
        raise InputError("no patch to classify: name a folder that holds folders of GeoTIFFs")
    for start in range(0, len(patches), batch_size):
        read = [read_patch(patch) for patch in patches[start : start + batch_size]]
        native = {metres: np.stack([patch[metres] for patch in read]) for metres in BANDS_AT}
        features = datasets(native, "bilinear" if upsampling == "bilinear" else "none")
        score.append(model.predict_on_batch({key: features[key] for key in model.input}))
        images.append(native[10])
    return pd.DataFrame(np.concatenate(score), [patch.name for patch in patches], labels), np.concatenate(images)
