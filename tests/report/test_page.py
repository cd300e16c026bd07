"""A notebook's page: what it shows, what it keeps, and how it fails."""

import base64
import os
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets.config import Config

from bigearth.errors import InputError
from bigearth.report import CheckFailed, Page, draw_gallery, page


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would display: tuples of data and metadata; a paragraph has no metadata."""
    outputs = []

    def display(data, raw=False, metadata=None):
        outputs.append((data if raw else data.data, metadata))

    monkeypatch.setattr(page, "display", display)
    return outputs


@pytest.fixture
def a_page(tmp_path, shown):
    return Page("04_classification", results=tmp_path)


def draw_line():
    fig, axis = plt.subplots()
    axis.plot([1, 2], [3, 4])
    return fig


def test_figure_is_kept_with_its_data_and_description(a_page, tmp_path, shown):
    data = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
    a_page.figure(draw_line(), "line", data, alt="A line that rises.")
    assert not plt.get_fignums()  # closed
    assert pd.read_csv(tmp_path / "04_classification/line.csv").equals(data)
    output, metadata = shown[0]
    about = metadata["image/png"]
    assert about["alt"] == "A line that rises." and about["csv"] == "04_classification/line.csv"
    image = Image.open(tmp_path / about["png"])
    assert image.width > 1.4 * about["width"]  # crisp: more pixels than the page shows
    assert image.width / image.height == pytest.approx(about["width"] / about["height"], rel=0.01)
    assert output["image/png"] == (tmp_path / about["png"]).read_bytes()


def test_figure_needs_alternative_text(a_page, tmp_path):
    fig = draw_line()
    with pytest.raises(ValueError, match="no alternative text"):
        a_page.figure(fig, "line", alt=" ")
    plt.close(fig)
    assert not list(tmp_path.iterdir())


def test_same_figure_has_same_bytes(a_page, shown):
    for name in ("a", "b"):
        fig, axis = plt.subplots()
        axis.imshow(np.arange(12).reshape(3, 4))
        a_page.figure(fig, name, alt="A ramp.")
    assert shown[0][0]["image/png"] == shown[1][0]["image/png"]
    assert base64.b64encode(shown[0][0]["image/png"])


def test_gallery_shows_pixels_unmixed(a_page, shown):
    image = np.random.default_rng(0).choice([0.0, 1.0], (120, 120, 1)).repeat(3, axis=2)
    titles = ["a very long title " * 20, "b", "c"]
    a_page.figure(draw_gallery([image] * 3, titles, columns=2), "gallery", alt="Three patches.")
    drawn = Image.open(BytesIO(shown[0][0]["image/png"])).convert("L")
    block = np.asarray(drawn)[100:200, 100:200]
    assert set(np.unique(block)) == {0, 255}  # no grey between black and white: whole pixels of the image


def test_table_escapes_rounds_and_marks_missing_values(a_page, tmp_path, shown):
    data = pd.DataFrame({"label": ["a<b", None], "value": [1234.5678, np.nan], "n": [1, 2]})
    a_page.table(data, "table")
    html = shown[0][0]["text/html"]
    assert "a&lt;b" in html and "1,234.568" in html and html.count("–") == 2 and "<td>2</td>" in html
    assert pd.read_csv(tmp_path / "04_classification/table.csv").value[0] == 1234.5678  # the file keeps all digits


def test_say_joins_sentences(a_page, shown):
    a_page.say("One.", "", "Two.")
    assert shown[0][0] == "One. Two."


def test_banner_is_shown_for_the_miniature_only(a_page, shown, tmp_path):
    a_page.banner(False)
    assert not shown
    a_page.banner(True)
    assert "miniature" in shown[0][0]
    a_page.finish({"F1": 0.75349}, {})
    summary = (tmp_path / "04_classification/summary.csv").read_text()
    assert summary == "what,value\ndata,miniature\nF1,0.753\n"


def test_finish_writes_key_figures_and_counts_what_was_written(a_page, tmp_path, shown):
    a_page.table(pd.DataFrame({"x": [1]}), "numbers")
    a_page.figure(draw_line(), "line", alt="A line.")
    a_page.finish({"data": "archive", "patches": 3, "F1": 0.75349}, {"there are patches": np.bool_(True)})
    summary = (tmp_path / "04_classification/summary.csv").read_text()
    assert summary == "what,value\ndata,archive\npatches,3\nF1,0.753\n"
    assert shown[-1][0] == f"Written to `{tmp_path}/04_classification`: tables: 2, figures: 1."


def test_finish_names_the_checks_that_failed(a_page, tmp_path):
    with pytest.raises(CheckFailed) as caught:
        a_page.finish({"patches": 0}, {"there are patches": False, "scores are shares": True, "every class": 0 > 1})
    assert str(caught.value) == "04_classification: 2 of 3 checks failed: there are patches; every class"
    assert caught.value._render_traceback_() == [f"CheckFailed: {caught.value}"]
    assert (tmp_path / "04_classification/summary.csv").exists()


def test_a_run_has_a_folder_of_its_own(tmp_path):
    assert Page("03_training", tmp_path, run="rgb").folder == tmp_path / "03_training-rgb"
    assert Page("03_training", tmp_path).folder == tmp_path / "03_training"


@pytest.mark.parametrize("run", ["../../evil", "/tmp/evil", "a/b", ".."])
def test_a_run_stays_in_the_results(tmp_path, run):
    with pytest.raises(InputError, match="name without slashes"):
        Page("03_training", tmp_path, run=run)


def test_results_must_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "link", "loop", "pipe", "file/below"):
        with pytest.raises(InputError, match="is not a folder; choose another folder for results"):
            Page("03_training", tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "loop", "pipe"]


def test_a_page_that_writes_nothing_leaves_nothing(tmp_path):
    Page("03_training", tmp_path / "results")
    assert not list(tmp_path.iterdir())


def test_published_figures_are_read_by_name(a_page):
    assert "BigEarthNet" in a_page.read_paper("table1_datasets").dataset.tolist()


def test_results_must_be_named(tmp_path):
    with pytest.raises(InputError, match="results is empty"):
        Page("03_training", " ")


def test_what_the_study_did_not_write_is_not_replaced(a_page, tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("mine")
    a_page.folder.mkdir()
    (a_page.folder / "linked.csv").symlink_to(mine)
    (a_page.folder / "folder.csv").mkdir()
    for name in ("linked", "folder"):
        with pytest.raises(InputError, match="is no file of the study"):
            a_page.table(pd.DataFrame({"x": [1]}), name)
    assert mine.read_text() == "mine" and (a_page.folder / "linked.csv").is_symlink()


def test_a_full_disk_is_said_in_one_line(a_page, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        a_page.table(pd.DataFrame({"x": [1]}), "numbers")
    assert not list(a_page.folder.iterdir())  # nothing half-written stays


def run_cells(*cells):
    """Run cells in a shell as a notebook does; returns the shell and the last cell's error."""
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        for cell in cells:
            result = shell.run_cell(cell, store_history=True)
        return shell.user_ns.copy(), result.error_in_exec
    finally:
        InteractiveShell.clear_instance()


def test_in_a_notebook_the_page_takes_the_parameters(tmp_path):
    cells = (
        f'results: str = "{tmp_path}"  # folder\nrun: str = "rgb"  # name\nworkdir: str = "{tmp_path}/work"  # folder',
        "# Parameters\nrun = 2024",  # papermill's own cell
        'from bigearth.report import Page\npage = Page("03_training")',
    )
    namespace, error = run_cells(*cells)
    assert error is None
    page = namespace["page"]
    assert page.folder == tmp_path / "03_training-2024" and page.workdir == tmp_path / "work"
    assert namespace["run"] == "2024"  # the page opened the door for parameters


def test_in_a_notebook_a_misspelt_parameter_is_an_error(tmp_path):
    cells = (
        f'results: str = "{tmp_path}"  # folder',
        "# Parameters\nresult = 'elsewhere'",
        'from bigearth.report import Page\npage = Page("03_training")',
    )
    _, error = run_cells(*cells)
    assert isinstance(error, InputError) and "did you mean 'results'?" in str(error)
