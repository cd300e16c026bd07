"""A map of the miniature's tile against the land cover from which its pixels were drawn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bigearth.labels import LABELS_43, TO_19
from bigearth.miniature.archive import miniature
from bigearth.miniature.products import MAPPED_TILE
from bigearth.miniature.scenes import label_windows, render_scenes
from bigearth.outside import read_json
from bigearth.patch import MINIATURE_MARKER, PIXELS


def compare_with_land_cover(
    workdir: str | Path, scores: np.ndarray, labels: Sequence[str], thresholds: np.ndarray
) -> pd.DataFrame:
    """Compare the labels that a map gives to the patches of the miniature's tile with its land cover.

    Archives know the labels of their patches only; of a generated tile every pixel's land cover is known, so patches
    count that no split holds. Most patches of the tile are in the archive too, and the network was trained on some.

    Parameters
    ----------
    workdir : path
        Working folder that holds the miniature archive.
    scores : (labels, rows, columns) float array
        Of the map with a pixel per patch; NaN where masked: these patches do not count.
    labels : sequence of str
        43 or 19.
    thresholds : (labels,) float array
        Scores from which labels are given.

    Returns
    -------
    DataFrame [label, patches, given, precision, recall, f1]
        Of the labels that the tile holds or the map gives: the number of patches that hold them and to which they are
        given; scores are NaN where they have no patch to count.

    Raises
    ------
    ValueError
        The map has another number of pixels than the tile has patches.
    """
    made = read_json(miniature(workdir) / MINIATURE_MARKER, "marker")
    (scene,) = render_scenes(made["patches"], made["seed"], [MAPPED_TILE])
    side = len(scene.cover) // PIXELS[10]
    if scores.shape[1:] != (side, side):
        raise ValueError(f"a map of {scores.shape[1:]} pixels, but the tile has {side} x {side} patches")
    truth = _name_truth(label_windows(scene.cover, side), labels)
    given = np.moveaxis(scores, 0, -1).reshape(side * side, len(labels))
    seen = ~np.isnan(given[:, 0])
    truth, given = truth[seen], given[seen] >= thresholds
    both, holds, gives = (truth & given).sum(0), truth.sum(0), given.sum(0)
    with np.errstate(invalid="ignore"):
        precision, recall, f1 = both / gives, both / holds, 2 * both / (holds + gives)
    table = pd.DataFrame(
        {"label": labels, "patches": holds, "given": gives, "precision": precision, "recall": recall, "f1": f1}
    )
    return table[(holds + gives) > 0].reset_index(drop=True)


def _name_truth(is_label: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Order the 43 columns as a run's labels; of 19, join those that share a label."""
    named = np.zeros((len(is_label), len(labels)), bool)
    for column, label in enumerate(LABELS_43):
        name = label if len(labels) == len(LABELS_43) else TO_19[label]
        if name is not None:
            named[:, list(labels).index(name)] |= is_label[:, column]
    return named
