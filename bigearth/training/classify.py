"""Patches of a folder, classified by the network of a finished run."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd

from bigearth.archive.folders import BandFiles
from bigearth.archive.pixels import read_patch
from bigearth.archive.source import Bands
from bigearth.errors import InputError
from bigearth.patch import BANDS_AT
from bigearth.upsampling.datasets import make_datasets

_ON_DISK = BandFiles()


def load_model(run: Path | str) -> keras.Model:
    """Load the network of a finished run.

    Raises
    ------
    InputError
        The run has not been trained to its end, or its file is damaged.
    """
    path = Path(run) / "model.keras"
    if not path.exists() or not (Path(run) / "predictions.h5").exists():
        raise InputError(f"run {run} has no model.keras and predictions.h5: train it to its end in notebook 03")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # a damaged zip or HDF5 file can raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"model {path} cannot be read ({reason}): restore it, or train under another name") from None


def predict_patches(
    run: Path | str,
    patches: Sequence[Path],
    batch_size: int = 64,
    source: Bands = _ON_DISK,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Score patches with a finished run's ``model.keras``.

    Parameters
    ----------
    run : path
        Folder of the run.
    patches : list of Path
        Folders of GeoTIFFs, as in a BigEarthNet archive.
    batch_size : int
    source : Bands, optional
        The archive, as `archive.source.open_archive` returns it, where they lie in one; default: the disk.

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
    model = load_model(run)
    with h5py.File(Path(run) / "predictions.h5") as file:
        labels = list(file.attrs["labels"])
        upsampling = file.attrs["upsampling"]
    if upsampling == "dsen2":
        raise InputError(f"run {run} wants bands super-resolved by DSen2: predict from a cube instead")
    if not patches:
        raise InputError("no patch to classify: name a folder that holds folders of GeoTIFFs")
    scores, images = [], []
    for start in range(0, len(patches), batch_size):
        read = [read_patch(patch, source=source) for patch in patches[start : start + batch_size]]
        native = {metres: np.stack([patch[metres] for patch in read]) for metres in BANDS_AT}
        features = make_datasets(native, "bilinear" if upsampling == "bilinear" else "none")
        scores.append(model.predict_on_batch({key: features[key] for key in model.input}))
        images.append(native[10])
    names = pd.Index([patch.name for patch in patches], name="patch")
    return pd.DataFrame(np.concatenate(scores), names, labels), np.concatenate(images)
