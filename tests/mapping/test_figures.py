"""Figures of a map."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from bigearth.labels import COLOURS, LABELS_19
from bigearth.mapping.figures import draw_areas, draw_map, find_leading, paint_leading
from bigearth.mapping.outputs import Map

THRESHOLDS = np.array([0.5, 0.2])


def test_the_leading_label_is_furthest_over_its_threshold():
    scores = np.array([[[0.9, 0.6], [0.1, np.nan]], [[0.5, 0.5], [0.1, np.nan]]], np.float32)
    assert find_leading(scores, THRESHOLDS).tolist() == [[0, 1], [-1, -2]]


def test_colours_of_labels_nothing_and_masked():
    painted = paint_leading(np.array([[0, -1, -2]]), ["Pastures"])[0]
    assert [round(255 * channel) for channel in painted[0]] == [
        int(COLOURS["Pastures"][i : i + 2], 16) for i in (1, 3, 5)
    ]
    assert painted[1].tolist() == [1, 1, 1] and len(set(painted[2])) == 1 and 0 < painted[2][0] < 1


def test_figures_name_what_they_show(tmp_path):
    scores = np.random.default_rng(0).random((19, 4, 4), np.float32)
    scores[:, 0, 0] = np.nan
    areas = pd.DataFrame({"label": LABELS_19, "threshold": 0.5, "km2": np.arange(19.0), "share": np.arange(19) / 20})
    found = Map(tmp_path, np.zeros((8, 8, 3), np.uint8), scores, areas, {}, "", {}, True)
    legend = [text.get_text() for text in draw_map(found).legends[0].get_texts()]
    assert legend[-1] == "cloud, snow or no data" and set(legend[:3]) <= {name[:43] + "…" for name in LABELS_19} | set(
        LABELS_19
    )
    (axis,) = draw_areas(found).axes
    assert len(axis.patches) == 18 and axis.patches[-1].get_width() == 18 / 20  # none for a label without area
    plt.close("all")
