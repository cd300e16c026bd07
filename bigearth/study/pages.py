"""Render results to static HTML that is read from disk: an index of studies and runs, and every notebook as a page."""

import os
import re
from pathlib import Path
from typing import Any

import jinja2
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from bigearth.errors import InputError
from bigearth.files import resolve, write_whole
from bigearth.study.results import PageContent, StudyContent, figure_id, list_studies, read_study

TEMPLATES = Path(__file__).parent / "templates"
# what a browser shows without a server, a network and scripts of others
SHOWN = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain"]
HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)<a class="anchor-link"')
# <meta name="generator"> of these pages, whose attributes nbconvert sorts; with the page's own file name
GENERATOR = re.compile(r'<meta[^>]* content="bigearth(?: ([^"]*))?"')
HEAD_LENGTH = 2000  # characters at a page's start in which its generator stands

Links = list[tuple[str, str]]  # pairs of text and address


def render(results: str | Path = "results") -> Path:
    """Write ``index.html`` and a page per notebook.

    A page that is missing or broken is named in the index; all others are written.

    Parameters
    ----------
    results : str or Path
        A folder of studies, or the folder of one study (executed notebooks lie in it directly).

    Returns
    -------
    Path
        The index.

    Raises
    ------
    InputError
        There is no such folder, or a page of somebody else has the name of one of these: it stays as it is, and all
        others are written.
    """
    results = resolve(results)
    if not results.is_dir():
        raise InputError(f"there is no folder {results}; give the folder of a study's results")
    is_one_study = any(results.glob("*.ipynb"))
    root: Path | None = results
    folders = list_studies(results)
    if is_one_study:
        root = results.parent if results.parent.name == "results" else None
        folders = [results]
    kept = []
    for folder in folders:
        kept += _write_study(folder, has_index_above=root is not None)
    if root:
        kept += _write_root(root)
    if kept:
        raise InputError(f"{kept[0]}: this page was not written by a study and stays; move it, or give another folder")
    return results / "index.html"


def _write_root(root: Path) -> list[Path]:
    """Write the index of all studies; the pages of others that stay."""
    tables = sorted(str(path.relative_to(root)) for path in root.glob("*/*.csv"))
    studies = [read_study(folder) for folder in list_studies(root)]
    return _write_index(root, "Results", studies, at_root=True, tables=tables, links=[])


def _write_study(folder: Path, has_index_above: bool) -> list[Path]:
    """Write the pages and the index of one study; the pages of others that stay."""
    study = read_study(folder)
    exporter = _make_exporter()
    above = [("all studies", "../index.html")] if has_index_above else []
    readable = [page for page in study.pages if page.notebook is not None]
    kept = []
    for i, page in enumerate(readable):
        links = [*above, (folder.name, "index.html"), (f"{page.stem}.ipynb", f"{page.stem}.ipynb")]
        if i > 0:
            links.append(("previous", readable[i - 1].html))
        if i + 1 < len(readable):
            links.append(("next", readable[i + 1].html))
        kept += _write_page(folder, page, page.notebook, links, exporter)
    kept += _write_index(folder, folder.name, [study], at_root=False, tables=[], links=above)
    _remove_old_pages(folder, study)
    return kept


def _make_exporter() -> HTMLExporter:
    exporter = HTMLExporter(
        template_name="basic", template_file="site_notebook.html.j2", extra_template_paths=[str(TEMPLATES)]
    )
    exporter.register_filter("figure_id", figure_id)
    exporter.config.NbConvertBase.display_data_priority = SHOWN
    return exporter


def _write_page(folder: Path, page: PageContent, notebook: Any, links: Links, exporter: HTMLExporter) -> list[Path]:
    resources = {"page": page, "css": _read_css(), "links": links}
    try:
        body, _ = exporter.from_notebook_node(notebook, resources=resources)
    except Exception as error:  # an output that no template can show must not take the other pages with it
        page.give_up(f"cannot be shown: {error}")
        return []
    contents = ""
    items = [f'<li><a href="#{anchor}">{name}</a></li>' for anchor, name in HEADING.findall(body)]
    if items:
        contents = f'<details><summary>sections</summary><ul class="contents">{"".join(items)}</ul></details>'
    return _write_own(folder / page.html, body.replace("<!--contents-->", contents))


def _write_index(folder: Path, title: str, studies: list[StudyContent], **shown: Any) -> list[Path]:
    template = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES)).get_template("site_index.html.j2")
    return _write_own(folder / "index.html", template.render(title=title, studies=studies, css=_read_css(), **shown))


def _write_own(path: Path, text: str) -> list[Path]:
    """Write a page; where a page of somebody else has its name, that one stays and is returned."""
    if os.path.lexists(path) and _read_generator(path) is None:
        return [path]
    with write_whole(path) as partial:
        partial.write_text(text)
    return []


def _read_generator(path: Path) -> str | None:
    """The file name that a page of ours was written under, as far as it says so; None for a page of somebody else."""
    if path.is_symlink() or not path.is_file():
        return None
    with path.open(errors="replace") as file:
        found = GENERATOR.search(file.read(HEAD_LENGTH))
    return (found[1] or "") if found else None


def _remove_old_pages(folder: Path, study: StudyContent) -> None:
    """Remove our pages whose notebooks are gone; a copy under another name is the user's."""
    current = {"index.html", *(page.html for page in study.pages)}
    for path in folder.glob("*.html"):
        if path.name not in current and _read_generator(path) == path.name:
            path.unlink()


def _read_css() -> str:
    return (TEMPLATES / "site.css").read_text() + HtmlFormatter(style="default").get_style_defs(".highlight")
