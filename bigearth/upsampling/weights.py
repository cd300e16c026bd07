"""DSen2's networks on disk: networks trained here, or the authors' published weights."""

import hashlib
from pathlib import Path

import h5py
import keras
import numpy as np
import pooch

from bigearth.errors import InputError
from bigearth.outside import read_bytes
from bigearth.patch import BANDS_AT
from bigearth.upsampling.dsen2 import GUIDES, build

TRAINED = {20: "dsen2_20m.keras", 60: "dsen2_60m.keras"}
# The published weights and their git blob ids. They come from L1C products, and could not be obtained for this study.
PUBLISHED = {
    20: ("s2_032_lr_1e-04.hdf5", "dd4b6d49171d38534bafe7097080b7d0184eca24"),
    60: ("s2_030_lr_1e-05.hdf5", "459723841e73b2bfb8bdeb50ae189868bcc8f6ae"),
}
_URL = "https://github.com/lanha/DSen2/raw/master/models/"
# Order of the 10 m bands in the published networks, as in the authors' demo files.
_PUBLISHED_ORDER = ("B04", "B03", "B02", "B08")
_REASON_CHARACTERS = 120


def load(folder: str | Path) -> dict[int, keras.Model]:
    """Load the networks of a folder: trained ones (`TRAINED`), or published weights (`PUBLISHED`).

    Returns
    -------
    dict
        {20: keras.Model, 60: keras.Model}

    Raises
    ------
    InputError
        A network is missing or its file cannot be used.
    """
    folder = Path(folder)
    models = {}
    for metres in TRAINED:
        trained, published = folder / TRAINED[metres], folder / PUBLISHED[metres][0]
        if trained.exists():
            models[metres] = _load_trained(trained, metres)
        elif published.exists():
            models[metres] = load_published(published, metres)
        else:
            raise InputError(
                f"{folder} holds neither {trained.name} nor {published.name}: train DSen2 or download its weights"
            )
    return models


def load_published(path: str | Path, metres: int, blob: str | None = None) -> keras.Model:
    """Build the network of published weights, a Keras 2 HDF5 file.

    Parameters
    ----------
    path : Path or str
    metres : int
        20 or 60.
    blob : str, optional
        Git blob id that the file must have; the published one by default.

    Raises
    ------
    InputError
        The file is missing, has another checksum, or holds the weights of another network.
    """
    name, published_blob = PUBLISHED[metres]
    content = read_bytes(path, "weights")
    found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    if found != (blob or published_blob):
        raise InputError(
            f"weights {path} have git blob id {found}, not that of {name} ({metres} m): fetch it from {_URL}"
        )
    weights = _read_keras2_weights(path)
    model = build(metres)
    if [array.shape for array in weights] != [tuple(variable.shape) for variable in model.weights]:
        raise InputError(f"weights {path} are not of the {metres} m network: give {name}")
    order = [_PUBLISHED_ORDER.index(band) for band in BANDS_AT[10]]
    weights[0] = np.concatenate([weights[0][:, :, order], weights[0][:, :, len(order) :]], axis=2)
    model.set_weights(weights)
    return model


def download(folder: str | Path) -> list[Path]:
    """Fetch the published weights and check them; returns the paths."""
    paths = []
    for metres, (name, _) in PUBLISHED.items():
        path = Path(pooch.retrieve(_URL + name, known_hash=None, fname=name, path=folder))
        try:
            load_published(path, metres)
        except InputError:
            path.unlink()
            raise
        paths.append(path)
    return paths


def _load_trained(path: Path, metres: int) -> keras.Model:
    expected = [len(BANDS_AT[m]) for m in GUIDES[metres]]
    try:
        model = keras.saving.load_model(path, compile=False)
        if [tensor.shape[-1] for tensor in model.inputs] != expected:
            raise ValueError(f"it does not take {expected} bands")
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0][:_REASON_CHARACTERS]
        raise InputError(
            f"{path} is not a {metres} m network ({reason}): give another folder of weights, or train there anew"
        ) from None
    return model


def _read_keras2_weights(path: str | Path) -> list[np.ndarray]:
    """Read the weights of a Keras 2 file, layer by layer."""
    weights = []
    with h5py.File(path) as file:
        root = file.get("model_weights", file)  # a whole model holds its weights one level deeper
        for layer in root.attrs["layer_names"]:
            group = root[layer]
            for weight in group.attrs["weight_names"]:
                weights.append(group[weight][()])
    return weights
