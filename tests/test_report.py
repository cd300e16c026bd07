"""Figures and tables: saved beside their data, described, small; colours that can be told apart."""

import base64

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bigearth import report


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would display, one (data, metadata) each."""
    outputs = []
    monkeypatch.setattr(report, "display", lambda data, raw, metadata: outputs.append((data, metadata)))
    return outputs


def test_show_keeps_figure_data_and_description(tmp_path, shown):
    report.style()
    fig, axis = plt.subplots()
    axis.plot([1, 2], [3, 4])
    data = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
    report.show(fig, tmp_path / "04_classification", "line", data, "A line that rises.")
    assert not plt.get_fignums()  # closed
    assert pd.read_csv(tmp_path / "04_classification/line.csv").equals(data)
    data, metadata = shown[0]
    about = metadata["image/png"]
    assert about["alt"] == "A line that rises." and about["csv"] == "04_classification/line.csv"
    image = Image.open(tmp_path / about["png"])
    assert image.width > 1.4 * about["width"]  # crisp: more pixels than the page shows
    assert image.width / image.height == pytest.approx(about["width"] / about["height"], rel=0.01)
    assert data["image/png"] == (tmp_path / about["png"]).read_bytes()


def test_same_figure_same_bytes(tmp_path, shown):
    for name in ("a", "b"):
        fig, axis = plt.subplots()
        axis.imshow(np.arange(12).reshape(3, 4))
        report.show(fig, tmp_path, name)
    assert shown[0][0]["image/png"] == shown[1][0]["image/png"]
    assert base64.b64encode(shown[0][0]["image/png"])


def test_table_escapes_rounds_and_marks_gaps(tmp_path, shown):
    data = pd.DataFrame({"label": ["a<b", None], "value": [1234.5678, np.nan], "n": [1, 2]})
    report.table(data, tmp_path / "stem", "table")
    html = shown[0][0]["text/html"]
    assert "a&lt;b" in html and "1,234.568" in html and html.count("–") == 2 and "<td>2</td>" in html
    assert pd.read_csv(tmp_path / "stem/table.csv").value[0] == 1234.5678  # the file keeps all digits


def test_one_colour_per_model():
    assert report.colour("rgb") == report.colour("rgb-s2") == report.MODEL_COLOURS["rgb"]
    assert report.colour("multispectral, dsen2") != report.colour("multispectral")
    assert report.colour("B02 B03") == report.colour("B02 B03") and report.colour("B02 B03") in report.OTHERS
    everyone = [*report.MODEL_COLOURS.values(), *report.OTHERS]
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
    true, false = report.composite(tens), report.composite(tens, report.FALSE_COLOUR)
    assert (true == [1, 0, 0]).all()
    assert (false[:60] == [1, 1, 0]).all() and (false[60:] == [0, 1, 0]).all()


def test_gallery_shows_pixels_unmixed(tmp_path, shown):
    image = np.random.default_rng(0).choice([0.0, 1.0], (120, 120, 1)).repeat(3, axis=2)
    report.show(report.gallery([image] * 3, ["a very long title " * 20, "b", "c"], columns=2), tmp_path, "gallery")
    pixels = np.asarray(Image.open(tmp_path / "gallery.png").convert("L")).astype(int)
    block = pixels[100:200, 100:200]
    assert set(np.unique(block)) == {0, 255}  # no grey between black and white: whole pixels of the image


def test_matrix_hides_its_diagonal():
    fig, axis = plt.subplots()
    values = report.matrix(axis, pd.DataFrame(np.eye(3) + 0.25, list("abc"), list("abc")), "share")
    plt.close(fig)
    assert np.isnan(np.diag(values)).all() and values.max().max() == 0.25


def test_summary(tmp_path):
    report.summary(tmp_path, {"data": "miniature", "patches": 3, "F1": 0.75349})
    assert (tmp_path / "summary.csv").read_text() == "what,value\ndata,miniature\npatches,3\nF1,0.753\n"
