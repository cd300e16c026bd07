"""Figures of a map: its leading labels beside the scene in true colour, and the area of each label."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bigearth.labels import COLOURS
from bigearth.mapping.outputs import Map

SHOWN_LABELS = 12  # of the legend: those that lead in most places
MASKED_GREY = 0.55
ROW_INCHES = 0.26


def find_leading(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Find the label that is furthest above its threshold in every pixel.

    Parameters
    ----------
    scores : (labels, rows, columns) float32, NaN where masked
    thresholds : (labels,) float

    Returns
    -------
    (rows, columns) int array
        -1 where no label reaches its threshold, -2 where masked.
    """
    above = scores - thresholds[:, None, None].astype(np.float32)
    leading = np.where(np.isnan(above), -np.inf, above).argmax(axis=0)
    best = np.take_along_axis(above, leading[None], axis=0)[0]
    leading = np.where(best >= 0, leading, -1)
    return np.where(np.isnan(scores[0]), -2, leading)


def paint_leading(leading: np.ndarray, labels: list[str]) -> np.ndarray:
    """Paint leading labels in CORINE's colours: (rows, columns, 3) in 0 ... 1; white without label, grey if masked."""
    palette = [[int(COLOURS[label][i : i + 2], 16) / 255 for i in (1, 3, 5)] for label in labels]
    palette += [[MASKED_GREY] * 3, [1.0] * 3]  # found by -2 and -1
    return np.array(palette)[leading]


def draw_map(found: Map) -> Figure:
    """Draw the scene in true colour and, beside it, the label that leads in each pixel."""
    labels = list(found.areas.label)
    leading = find_leading(found.scores, found.areas.threshold.to_numpy())
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 6.8))
    left.imshow(found.image)
    left.set_title("true colour")
    right.imshow(paint_leading(leading, labels), interpolation="nearest")
    right.set_title("leading label")
    for axis in (left, right):
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    values, counts = np.unique(leading[leading >= 0], return_counts=True)
    handles = []
    for index in values[np.argsort(-counts, kind="stable")][:SHOWN_LABELS]:
        name = labels[index] if len(labels[index]) < 45 else labels[index][:43] + "…"
        handles.append(Patch(facecolor=COLOURS[labels[index]], edgecolor="#555555", label=name))
    if (leading == -1).any():
        handles.append(Patch(facecolor="white", edgecolor="#555555", label="no label over its threshold"))
    if (leading == -2).any():
        handles.append(Patch(facecolor=str(MASKED_GREY), edgecolor="#555555", label="cloud, snow or no data"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=10)
    return figure


def draw_areas(found: Map) -> Figure:
    """Draw the share of the mapped area where each label reaches its threshold, the largest first."""
    shown = found.areas[found.areas.km2 > 0].sort_values("km2")
    figure, axis = plt.subplots(figsize=(8, ROW_INCHES * max(len(shown), 3) + 1.2))
    colours = [COLOURS[label] for label in shown.label]
    names = [label if len(label) < 45 else label[:43] + "…" for label in shown.label]
    axis.barh(names, shown.share, color=colours, edgecolor="#555555", linewidth=0.6)
    axis.set(xlabel="share of the mapped area where the label reaches its threshold", xlim=(0, 1))
    axis.tick_params(axis="y", labelsize=10)
    axis.margins(y=0.01)
    return figure
