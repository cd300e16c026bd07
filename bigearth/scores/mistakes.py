"""Which labels go together, which are mistaken for each other, and the most confident mistakes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.scores.predictions import Predictions

# candidates among all decisions; enough for eight different patches and classes
MOST_CANDIDATES = 20_000


def count_cooccurrence(truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """Count how often labels share a patch, and how often one is given where another was missed.

    Parameters
    ----------
    truth, predicted : arrays (N, C) of 0 and 1
    labels : sequence of str
        Names of the C classes.

    Returns
    -------
    DataFrame
        One row per pair of different labels: ``label, other``; ``together``, of the patches with the label the share
        that carries the other too; ``given_when_missed``, of the patches where the label was missed the share that was
        wrongly given the other.
    """
    true = truth.astype(np.float32)
    given = predicted.astype(np.float32)
    missed = true * (1 - given)
    false = given * (1 - true)
    together = true.T @ true / np.maximum(true.sum(axis=0), 1)[:, None]
    mistaken = missed.T @ false / np.maximum(missed.sum(axis=0), 1)[:, None]
    names = np.asarray(labels)
    pairs = pd.DataFrame(
        {
            "label": np.repeat(names, len(names)),
            "other": np.tile(names, len(names)),
            "together": together.ravel(),
            "given_when_missed": mistaken.ravel(),
        }
    )
    return pairs[pairs["label"] != pairs["other"]].reset_index(drop=True)


def list_mistakes(predictions: Predictions, predicted: np.ndarray, count: int = 8) -> pd.DataFrame:
    """The decisions with the largest gap between score and truth, each class and each patch once.

    Returns
    -------
    DataFrame
        ``patch, label, mistake`` ("missed" or "wrongly given"), ``score, true labels, predicted labels``.
    """
    labels = np.array(predictions.labels)
    gap = np.abs(predictions.truth - predictions.score)
    largest = np.argsort(-gap, axis=None, kind="stable")[:MOST_CANDIDATES]
    rows, columns = np.unravel_index(largest, gap.shape)
    found = pd.DataFrame({"row": rows, "column": columns})
    found = found.drop_duplicates("column").drop_duplicates("row").head(count)
    mistakes = []
    for row, column in found.itertuples(index=False):
        missed = predictions.truth[row, column] == 1
        mistakes.append(
            {
                "patch": predictions.patch[row],
                "label": labels[column],
                "mistake": "missed" if missed else "wrongly given",
                "score": predictions.score[row, column],
                "true labels": "; ".join(labels[predictions.truth[row] == 1]),
                "predicted labels": "; ".join(labels[predicted[row] == 1]) or "none",
            }
        )
    return pd.DataFrame(mistakes)


def read_patches(cube: Path | str, split: str, patches: Sequence[str]) -> tuple[dict[str, np.ndarray], str]:
    """Read the 10 m bands of patches from the cube.

    Returns
    -------
    images : dict {patch: uint16 array (120, 120, 4)}
        Without the patches that the cube does not hold.
    problem : str
        Why images are missing; empty where none is.
    """
    try:
        source = open_cube(resolve(cube))
        pixels = source.array("data_10m")
    except InputError as error:
        return {}, f"No images: {error}"
    row_of = dict(zip(source.patches(split), source.rows[split], strict=True))
    images = {patch: np.array(pixels[row_of[patch]]) for patch in patches if patch in row_of}
    if len(images) < len(patches):
        return images, f"The cube {cube} holds {len(images)} of these {len(patches)} patches."
    return images, ""
