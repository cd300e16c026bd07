"""Colours that can be told apart, and drawings that show what they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from bigearth import report
from bigearth.report.drawing import MODEL_COLOURS, OTHER_COLOURS


def test_one_colour_per_model():
    assert report.choose_colour("rgb") == report.choose_colour("rgb-s2") == MODEL_COLOURS["rgb"]
    assert report.choose_colour("multispectral, dsen2") != report.choose_colour("multispectral")
    assert (
        report.choose_colour("B02 B03") == report.choose_colour("B02 B03")
        and report.choose_colour("B02 B03") in OTHER_COLOURS
    )
    everyone = [*MODEL_COLOURS.values(), *OTHER_COLOURS]
    assert len(set(everyone)) == len(everyone)


def test_colours_differ_for_colour_blind_readers():
    # Machado et al. 2009, severity 1: what deuteranopes and protanopes see of linear RGB
    seen_by = {
        "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
        "protanope": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
    }
    models = [MODEL_COLOURS[name] for name in ("rgb", "multispectral", "multiresolution")]
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in models])
    for matrix in seen_by.values():
        seen = np.clip((rgb**2.2) @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        for i in range(3):
            for j in range(i):
                assert np.linalg.norm(seen[i] - seen[j]) > 0.2


def test_composite_picks_its_bands_and_stretches_all_alike():
    tens = np.zeros((120, 120, 4), np.uint16)
    tens[..., 2] = 3000  # B04, red
    tens[:60, :, 3] = 10_000  # B08
    true, false = report.make_composite(tens), report.make_composite(tens, ["B08", "B04", "B03"])
    assert (true == [1, 0, 0]).all()
    assert (false[:60] == [1, 1, 0]).all() and (false[60:] == [0, 1, 0]).all()


def test_gallery_cuts_long_titles():
    image = np.zeros((120, 120, 3))
    fig = report.draw_gallery([image] * 2, ["word " * 100, "short"], lines=2)
    texts = [text.get_text() for text in fig.axes[0].texts]
    plt.close(fig)
    assert texts[0].count("\n") == 1 and texts[0].endswith(" …") and texts[1] == "short"


def test_spectra_have_a_panel_per_class():
    part = {"wavelength_nm": [500, 800], "q25": [0.1, 0.2], "median": [0.2, 0.3], "q75": [0.3, 0.4]}
    spectra = pd.concat(
        [pd.DataFrame({"label": label, "all_patches": 0.2, **part}) for label in ("Pastures", "Rice fields")]
    )
    fig = report.draw_spectra(spectra, {"Pastures": "#e6e64d", "Rice fields": "#e6e600"})
    titles = [axis.get_title() for axis in fig.axes]
    plt.close(fig)
    assert titles[:2] == ["Pastures", "Rice fields"] and not any(titles[2:])
    assert fig.axes[0].lines[0].get_ydata().tolist() == [0.2, 0.3]
