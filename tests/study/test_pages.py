"""The rendered results: complete where everything is there, honest where it is not, and readable in a real browser."""

import json
import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urldefrag

import numpy as np
import pytest
from nbformat import v4, write
from PIL import Image

from bigearth.__main__ import main
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study import pages

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
BROWSER = ["--no-sandbox", "--headless=new", "--disable-background-networking", "--allow-file-access-from-files"]


def _output(kind, content, **metadata):
    return v4.new_output("display_data", {kind: content}, metadata={kind: metadata})


def _study(folder):
    """A study with all that can go right and wrong; its notebooks are written, not executed."""
    stem = folder / "04_classification"
    stem.mkdir(parents=True)
    Image.fromarray(np.zeros((300, 1500, 3), np.uint8)).save(stem / "scores.png")
    (stem / "scores.csv").write_text("label,f1\nx,1\n")
    (stem / "summary.csv").write_text("what,value\ndata,miniature\nmicro F1,0.756\n")
    record = {"study": "tiny", "run": "04_classification", "commit": "abc123", "wall_seconds": 75, "gpu_hours": 2}
    record |= {"parameters": {"runs": ["rgb"]}, "versions": {"numpy": "2"}, "machine": {"processor": "P", "cores": 2}}
    (stem / "provenance.json").write_text(json.dumps(record | {"started": "2026-01-02T03:04:05+00:00"}))
    about = {"alt": "Scores, <b>rising</b>.", "png": f"{stem.name}/scores.png", "csv": f"{stem.name}/scores.csv"}
    row = "".join(f"<td>{'wide' * 4}{i}</td>" for i in range(30))
    outputs = [
        _output("text/markdown", "> **The miniature** says `so`."),
        _output("image/png", "iVBORw0KGgo=", **about, width=1000, height=200),
        _output("text/html", f"<table><tr>{row}</tr></table>", csv=f"{stem.name}/scores.csv"),
        v4.new_output("stream", text="a line that does not end " * 40),
    ]
    cells = [v4.new_markdown_cell("# Scores\n\nAim."), v4.new_markdown_cell("## A section\n\n- point"),
             v4.new_code_cell("1 + 1  # " + "long " * 40, outputs=outputs, execution_count=1)]  # fmt: skip
    write(v4.new_notebook(cells=cells), folder / "04_classification.ipynb")
    write(v4.new_notebook(cells=[v4.new_markdown_cell("# Training")]), folder / "03_training-rgb.ipynb")
    error = v4.new_output("error", ename="InputError", evalue="no patches", traceback=["InputError: no patches"])
    failed = v4.new_code_cell("boom()", outputs=[error], execution_count=7)
    write(v4.new_notebook(cells=[failed, v4.new_code_cell("after()")]), folder / "05_scaling.partial.ipynb")
    (folder / "02_preprocessing.ipynb").write_text("{ not JSON")
    (folder / "01_exploration").mkdir()
    (folder / "01_exploration/provenance.json").write_text("{")
    write(v4.new_notebook(cells=[v4.new_code_cell("later()")]), folder / "01_exploration.ipynb")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    results = tmp_path_factory.mktemp("site") / "results"
    _study(results / "tiny")
    (results / "nothing").mkdir()
    (results / "paper").mkdir()
    (results / "paper/table.csv").write_text("a\n1\n")
    pages.render(results)
    return results


def test_every_state_is_said(made):
    index = (made / "index.html").read_text()
    said = (made / "tiny/index.html").read_text()
    for text in ("02_preprocessing.ipynb cannot be read", "cell [7] failed: InputError: no patches", "2 GPU hours",
                 "1 of its cells were not executed", "micro F1", "0.756", "The miniature"):  # fmt: skip
        assert text in said and text in index, text
    assert "No executed notebook is in this folder" in (made / "nothing/index.html").read_text()
    assert 'href="paper/table.csv"' in index and not (made / "paper/index.html").exists()
    assert "01_exploration/provenance.json is not valid JSON" in (made / "tiny/01_exploration.html").read_text()
    assert "not recorded" in (made / "tiny/03_training-rgb.html").read_text()
    assert "Training (rgb)" in index


def test_page_has_provenance_folded_code_and_data(made):
    page = (made / "tiny/04_classification.html").read_text()
    for text in ("abc123", "02 January 2026, 03:04 UTC", "01:15", 'href="04_classification/scores.csv"',
                 'alt="Scores, &lt;b&gt;rising&lt;/b&gt;."', 'src="04_classification/scores.png"', 'id="scores"',
                 '<details class="code">', 'href="04_classification.ipynb"', 'href="#A-section"'):  # fmt: skip
        assert text in page, text
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page  # nothing from the network


def test_figure_without_its_file_is_embedded(tmp_path):
    _study(tmp_path / "results/tiny")
    (tmp_path / "results/tiny/04_classification/scores.png").unlink()
    pages.render(tmp_path / "results/tiny")
    assert "data:image/png;base64,iVBORw0KGgo=" in (tmp_path / "results/tiny/04_classification.html").read_text()


def test_one_study_also_renews_the_index_above(tmp_path):
    _study(tmp_path / "results/tiny")
    assert pages.render(tmp_path / "results/tiny") == tmp_path / "results/tiny/index.html"
    assert "0.756" in (tmp_path / "results/index.html").read_text()
    (tmp_path / "results/tiny/03_training-rgb.ipynb").unlink()
    pages.render(tmp_path / "results/tiny")
    assert not (tmp_path / "results/tiny/03_training-rgb.html").exists()  # no page without a notebook


def test_no_results_at_all(tmp_path):
    (tmp_path / "results").mkdir()
    assert "no results here yet" in pages.render(tmp_path / "results").read_text()


def test_a_mistyped_folder_is_not_created(tmp_path, capsys):
    assert main(["site", str(tmp_path / "resluts")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_page_of_somebody_else_stays(tmp_path, capsys):
    folder = tmp_path / "results/tiny"
    _study(folder)
    others = {tmp_path / "results/index.html": "mine", folder / "04_classification.html": "<html>mine</html>"}
    for path, text in others.items():
        path.write_text(text)
    assert main(["site", str(tmp_path / "results")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "04_classification.html: this page was not written by a study and stays" in error
    assert {path: path.read_text() for path in others} == others
    assert "Training" in (folder / "03_training-rgb.html").read_text()  # the others are written


def test_a_link_is_not_followed(tmp_path):
    folder = tmp_path / "results/tiny"
    _study(folder)
    (tmp_path / "page.html").write_text((folder / "04_classification.ipynb").read_text())
    (folder / "index.html").symlink_to(tmp_path / "page.html")
    before = (tmp_path / "page.html").read_text()
    with pytest.raises(InputError, match="index.html: this page was not written"):
        pages.render(folder)
    assert (folder / "index.html").is_symlink() and (tmp_path / "page.html").read_text() == before


def test_a_copy_of_a_page_under_another_name_stays(tmp_path):
    folder = tmp_path / "results/tiny"
    _study(folder)
    pages.render(folder)
    shutil.copy(folder / "03_training-rgb.html", folder / "saved.html")
    pages.render(folder)
    assert (folder / "saved.html").exists()


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", params=["made", "committed"])
def results(request, tmp_path_factory):
    """The made study, and a copy of what is committed, rendered anew."""
    if request.param == "made":
        return request.getfixturevalue("made")
    if not any((ROOT / "results/mini").glob("*.ipynb")):
        pytest.skip("results/mini holds no executed notebook: make study")
    copy = tmp_path_factory.mktemp("committed") / "results"
    shutil.copytree(ROOT / "results", copy, ignore=shutil.ignore_patterns("*.html"))
    pages.render(copy)
    return copy


@pytest.fixture(scope="module")
def visited(browser, results):
    """Every page at phone width: its links, its figures, its messages, its width, and the clicks that lead to it."""
    pages, waiting = {}, [(results / "index.html", 0)]
    tab = browser.new_page(viewport={"width": 400, "height": 800})
    messages = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("request", lambda request: request.url.startswith(("file:", "data:")) or messages.append(request.url))
    while waiting:
        path, clicks = waiting.pop(0)
        if path in pages or path.suffix != ".html":
            continue
        messages.clear()
        tab.goto(path.as_uri())
        tab.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        tab.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        tab.wait_for_function("[...document.images].every(image => image.complete)")
        links = tab.evaluate("[...document.querySelectorAll('a')].map(link => link.href)")
        pages[path] = {
            "clicks": clicks,
            "links": links,
            "ids": set(tab.evaluate("[...document.querySelectorAll('[id]')].map(part => part.id)")),
            "images": tab.evaluate("[...document.images].map(i => [i.src, i.alt, i.naturalWidth, i.width])"),
            "width": tab.evaluate("document.documentElement.scrollWidth"),
            "messages": list(messages),
        }
        waiting += [(_local(link)[0], clicks + 1) for link in links]
    tab.close()
    return pages


def _local(link):
    address, anchor = urldefrag(link)
    return Path(unquote(address.removeprefix("file://"))), unquote(anchor)


def test_browser_has_nothing_to_complain_about(visited):
    assert {path: page["messages"] for path, page in visited.items() if page["messages"]} == {}


def test_no_overflow_on_a_phone(visited):
    assert {path: page["width"] for path, page in visited.items() if page["width"] > 400} == {}


def test_no_broken_link(visited):
    broken = []
    for path, page in visited.items():
        for link in page["links"]:
            target, anchor = _local(link)
            if link.startswith("https://"):
                continue  # a page of somebody else: it cannot be looked up here
            if not target.exists() or (anchor and anchor not in visited[target]["ids"]):
                broken.append((path.name, link))
    assert not broken


def test_every_page_and_figure_within_two_clicks(visited, results):
    written = {path for path in results.rglob("*.html")}
    assert written == set(visited)
    assert max(page["clicks"] for page in visited.values()) <= 2


def test_every_figure_is_there_and_described(visited, results):
    made_of_pixels = [image for page in visited.values() for image in page["images"] if "/results/" in image[0]]
    assert made_of_pixels
    for source, alt, pixels, width in made_of_pixels:
        assert pixels > 0, f"{source} cannot be shown"
        assert alt, f"{source} has no alternative text"
        assert pixels >= width, f"{source} is blurred"


def test_pages_are_small(visited):
    for path, page in visited.items():
        files = {_local(image[0])[0] for image in page["images"] if image[0].startswith("file:")}
        size = path.stat().st_size + sum(os.path.getsize(file) for file in files)
        assert size < 3 * 2**20, f"{path} with its figures: {size / 2**20:.1f} MiB"
