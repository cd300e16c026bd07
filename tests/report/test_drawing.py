"""Colours that can be told apart, and drawings that show what they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from bigearth import report


def test_one_colour_per_model():
    assert report.choose_colour("rgb") == report.choose_colour("rgb-s2") == report.MODEL_COLOURS["rgb"]
    assert report.choose_colour("multispectral, dsen2") != report.choose_colour("multispectral")
    assert (
        report.choose_colour("B02 B03") == report.choose_colour("B02 B03")
        and report.choose_colour("B02 B03") in report.OTHER_COLOURS
    )
    everyone = [*report.MODEL_COLOURS.values(), *report.OTHER_COLOURS]
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
    models = [report.MODEL_COLOURS[name] for name in ("rgb", "multispectral", "multiresolution")]
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
    true, false = report.make_composite(tens), report.make_composite(tens, report.FALSE_COLOUR)
    assert (true == [1, 0, 0]).all()
    assert (false[:60] == [1, 1, 0]).all() and (false[60:] == [0, 1, 0]).all()


def test_matrix_hides_its_diagonal():
    fig, axis = plt.subplots()
    values = report.draw_matrix(axis, pd.DataFrame(np.eye(3) + 0.25, list("abc"), list("abc")), "share")
    plt.close(fig)
    assert np.isnan(np.diag(values)).all() and values.max().max() == 0.25


def test_gallery_cuts_long_titles():
    image = np.zeros((120, 120, 3))
    fig = report.draw_gallery([image] * 2, ["word " * 100, "short"], lines=2)
    texts = [text.get_text() for text in fig.axes[0].texts]
    plt.close(fig)
    assert texts[0].count("\n") == 1 and texts[0].endswith(" …") and texts[1] == "short"


def test_intervals_never_have_negative_length():
    table = pd.DataFrame({"value": [0.5], "low": [0.6], "high": [0.7]})
    fig, axis = plt.subplots()
    report.draw_intervals(axis, [0], table)  # matplotlib refuses negative lengths
    plt.close(fig)


def test_long_names_are_shortened_and_wrapped():
    assert report.shorten(["Pastures", "Moors, heathland and sclerophyllous vegetation"], 18) == [
        "Pastures",
        "Moors, heathland…",
    ]
    assert report.wrap_name("Complex cultivation patterns", 20) == "Complex cultivation\npatterns"
