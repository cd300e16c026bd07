"""The page of a map, in a real browser on a desktop and on a phone, without network."""

import json
import shutil

import numpy as np
import pytest
from osgeo import gdal

from bigearth.labels import COLOURS
from bigearth.mapping.maps import find_map, write_map
from bigearth.mapping.outputs import HTML, RASTER, read_map
from bigearth.mapping.raster import decode_scores

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
BROWSER = ["--no-sandbox", "--headless=new", "--disable-background-networking"]


@pytest.fixture(scope="module")
def mapped(run, product, tmp_path_factory):
    results = tmp_path_factory.mktemp("pages")
    write_map(run=run, product=product, results=results, stride=600)
    return find_map(product, run, results)


def test_it_asks_for_nothing_beyond_itself(mapped):
    text = (mapped / HTML).read_text()
    assert "http://" not in text and "https://" not in text and "default-src 'none'" in text
    assert "knows nothing of the real world" in " ".join(text.split())


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER)
        yield chromium
        chromium.close()


@pytest.fixture(params=[1200, 390])
def tab(request, browser, mapped):
    """The opened page; nothing was said on the console and nothing was asked of the network when it closes."""
    page = browser.new_page(viewport={"width": request.param, "height": 844}, has_touch=request.param < 600)
    messages = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or messages.append(asked.url))
    page.goto((mapped / HTML).as_uri())
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= request.param
    page.close()
    assert not messages


def pixel_at(tab, column, row):
    return tab.evaluate(f"[...context.getImageData({column}, {row}, 1, 1).data]")


def test_scores_of_a_place_are_the_rasters(tab, mapped):
    scores = decode_scores(gdal.Open(str(mapped / RASTER)).ReadAsArray())
    labels = list(read_map(mapped).areas.label)
    box = tab.locator("#map").bounding_box()
    rows, columns = scores.shape[1:]
    x, y = box["x"] + box["width"] * 2.5 / columns, box["y"] + box["height"] * 1.5 / rows
    if box["width"] < 600:
        tab.touchscreen.tap(x, y)
    else:
        tab.mouse.move(x, y)
    lines = tab.locator("#readout li")
    found = [line.split("\n") for line in lines.all_inner_texts()]
    order = np.argsort(-scores[:, 1, 2], kind="stable")[: len(found)]
    assert len(found) == 6 and found[0][0] == labels[order[0]]
    shown = [float(words[-1].removesuffix("✓")) for words in found]
    np.testing.assert_allclose(shown, scores[order, 1, 2], atol=0.006)


def test_arrow_keys_move_the_place(tab):
    tab.locator("#map").focus()
    tab.keyboard.press("ArrowDown")
    before = tab.locator("#readout h2").inner_text()
    tab.keyboard.press("ArrowRight")
    after = tab.locator("#readout h2").inner_text()
    east = [int(text.split(" m east")[0]) for text in (before, after)]
    assert east[1] - east[0] == 600


def test_classes_can_be_switched(tab, mapped):
    found = read_map(mapped)
    areas = found.areas
    label = int(areas.km2.idxmax())
    name = areas.label[label]
    tab.get_by_text(name, exact=True).click()
    scores = found.scores[label]
    row, column = np.argwhere(scores >= areas.threshold[label])[0].tolist()
    colour = [int(COLOURS[name][i : i + 2], 16) for i in (1, 3, 5)]
    assert pixel_at(tab, column, row) == [*colour, 255]
    tab.locator("#zoom").evaluate("item => { item.value = 3; item.dispatchEvent(new Event('input')); }")
    tab.locator("#opacity").evaluate("item => { item.value = 20; item.dispatchEvent(new Event('input')); }")
    assert tab.evaluate("overlay.style.opacity") == "0.2"
    assert tab.locator("#map").bounding_box()["width"] > 2.5 * tab.locator("#frame").bounding_box()["width"]


def test_everything_has_a_name(tab):
    unnamed = tab.evaluate(
        "[...document.querySelectorAll('input')].filter(item => !item.labels.length).length"
        " + [...document.images].filter(image => !image.alt).length"
    )
    assert unnamed == 0 and tab.evaluate("document.documentElement.lang") == "en"


def test_masked_places_say_so(tiny_archive, run, browser, tmp_path):
    from bigearth.miniature.products import write_products

    (path,) = write_products(tmp_path / "tiles", tiny_archive, tiles=["T29UPU"], classification=True)
    done = write_map(run=run, product=path, results=tmp_path / "maps", masked_from=0.01)
    stored = gdal.Open(f"{done['folder']}/{RASTER}").ReadAsArray()[0]
    row, column = np.argwhere(stored == 255)[0].tolist()
    page = browser.new_page()
    page.goto(f"file://{done['folder']}/{HTML}")
    page.evaluate(f"place = {json.dumps([column, row])}; showPlace()")
    assert "No score: cloud, snow or no data" in page.locator("#readout").inner_text()
    assert pixel_at(page, column, row)[3] == 255
    page.close()
