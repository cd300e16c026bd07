"""Render results to static HTML that is read from disk: an index of studies and runs, and every notebook as a page."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import jinja2
import nbformat
import pandas as pd
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from bigearth.files import resolve

TEMPLATES = Path(__file__).parent / "templates"
GENERATOR = 'content="bigearth"'
# what a browser shows without a server, a network and scripts of others
SHOWN = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain"]
HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)<a class="anchor-link"')


def render(results="results"):
    """Write ``index.html`` and a page per notebook.

    What is missing or broken is said at its place and never stops the rest.

    Parameters
    ----------
    results : str or Path
        A folder of studies, or the folder of one study (executed notebooks lie in it directly).

    Returns
    -------
    Path
        The index.
    """
    results = resolve(results)
    results.mkdir(parents=True, exist_ok=True)
    one = any(results.glob("*.ipynb"))
    root = results.parent if one and results.parent.name == "results" else None if one else results
    for folder in [results] if one else _studies(results):
        _write_study(folder, root)
    if root:
        tables = sorted(str(path.relative_to(root)) for path in root.glob("*/*.csv"))
        studies = [_read_study(folder) for folder in _studies(root)]
        _write_index(root, "Results", studies, at_root=True, tables=tables, links=[])
    return results / "index.html"


def _studies(root):
    """Folders of a study; one that holds tables only (published figures, benchmarks) is none."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for path in folders if any(path.glob("*.ipynb")) or not any(path.glob("*.csv"))]


def _read_study(folder):
    pages = [_read_page(path) for path in sorted(folder.glob("*.ipynb"))]
    states = pd.Series([page["state"] for page in pages], dtype=str).value_counts()
    seconds = sum(page["seconds"] for page in pages)
    gpu_hours = sum(page["gpu_hours"] for page in pages)
    summary = ", ".join(f"{count} {state}" for state, count in states.items())
    summary = f"{len(pages)} runs: {summary}; {_duration(seconds)}, {gpu_hours:g} GPU hours in all."
    return {
        "name": folder.name,
        "pages": pages,
        "miniature": any(("data", "miniature") in page["key_figures"] for page in pages),
        "summary": summary if pages else "No executed notebook is in this folder.",
    }


def _read_page(path):
    """All that the templates show of one notebook; ``notebook`` is None where it cannot be read."""
    stem, folder = path.stem, path.parent / path.stem
    page = {"stem": stem, "title": stem, "html": f"{stem}.html", "notebook": None, "problem": "", "figures": []}
    record, broken = _provenance(folder / "provenance.json")
    page |= {"seconds": record.get("wall_seconds", 0), "gpu_hours": record.get("gpu_hours", 0), "lead": None}
    page |= {"key_figures": _key_figures(folder / "summary.csv"), "provenance": [], "details": [], "files": set()}
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # whatever a broken file raises: the page says so
        reason = str(error).splitlines()[0][:200]
        return page | {"state": "unreadable", "html": "", "problem": f"{path.name} cannot be read: {reason}"}
    first = notebook.cells[0].source if notebook.cells else ""
    title = re.match(r"# (.+)", first)
    name = stem.partition("-")[2].removesuffix(".partial")
    page["title"] = (title[1] if title else stem) + (f" ({name})" if name else "")
    state, problem = _state(notebook, stem)
    page |= {"notebook": notebook, "state": state, "problem": "; ".join(filter(None, (problem, broken)))}
    page["files"] = {str(file.relative_to(path.parent)) for file in folder.glob("*.*")}
    about = [output.metadata.get("image/png", {}) for cell in notebook.cells for output in cell.get("outputs", [])
             if "image/png" in output.get("data", {})]  # fmt: skip
    page["figures"] = [
        {"id": _figure_id(a.png), "alt": a.get("alt") or a.png, "png": a.png} for a in about if "png" in a
    ]
    page["lead"] = next((figure for figure in page["figures"] if figure["png"] in page["files"]), None)
    return page | _facts(record, notebook.metadata.get("papermill", {}))


def _state(notebook, stem):
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                value = (output.evalue.splitlines() or [""])[0]
                reason = f"cell [{cell.execution_count}] failed: {output.ename}: {value}"
                return "failed", reason
    waiting = sum(
        cell.cell_type == "code" and bool(cell.source) and not cell.execution_count for cell in notebook.cells
    )
    if waiting or stem.endswith(".partial"):
        return "unfinished", f"{waiting} of its cells were not executed"
    return "finished", ""


def _provenance(path):
    try:
        return json.loads(path.read_text()), ""
    except FileNotFoundError:
        return {}, ""
    except ValueError:
        return {}, f"{path.parent.name}/{path.name} is not valid JSON"


def _facts(record, papermill):
    """What stands at the top of a page, from the driver's record or, without it, from papermill's."""
    if not record:
        known = [("provenance", "not recorded: the notebook was not executed by the driver")]
        known += [("duration", _duration(papermill["duration"]))] if papermill.get("duration") else []
        return {"provenance": known, "details": [("parameters", list(papermill.get("parameters", {}).items()))]}
    machine = record.get("machine", {})
    started = datetime.fromisoformat(record["started"]).strftime("%d %B %Y, %H:%M UTC") if "started" in record else ""
    known = [
        ("study", record.get("study")),
        ("run", record.get("run")),
        ("commit", record.get("commit")),
        ("started", started),
        ("duration", _duration(record.get("wall_seconds", 0))),
        ("GPU hours", record.get("gpu_hours")),
        ("workers", record.get("workers")),
        ("nodes", record.get("nodes")),
        ("machine", f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores"),
    ]
    details = [(name, list(record.get(name, {}).items())) for name in ("parameters", "versions", "machine")]
    return {"provenance": [pair for pair in known if pair[1] not in (None, "")], "details": details}


def _key_figures(path):
    """The numbers that a notebook put into ``summary.csv`` (what, value) for the index."""
    try:
        return [(what, value) for what, value in pd.read_csv(path, dtype=str).itertuples(index=False)]
    except FileNotFoundError:
        return []
    except ValueError:
        return [("summary", f"{path.parent.name}/{path.name} cannot be read")]


def _duration(seconds):
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")


def _figure_id(png):
    return Path(png).stem


def _css():
    return (TEMPLATES / "site.css").read_text() + HtmlFormatter(style="default").get_style_defs(".highlight")


def _write_study(folder, root):
    study = _read_study(folder)
    exporter = HTMLExporter(
        template_name="basic", template_file="site_notebook.html.j2", extra_template_paths=[str(TEMPLATES)]
    )
    exporter.register_filter("figure_id", _figure_id)
    exporter.config.NbConvertBase.display_data_priority = SHOWN
    above = [("all studies", "../index.html")] if root else []
    readable = [page for page in study["pages"] if page["notebook"]]
    for i, page in enumerate(readable):
        links = [*above, (folder.name, "index.html"), (f"{page['stem']}.ipynb", f"{page['stem']}.ipynb")]
        links += [("previous", readable[i - 1]["html"])] if i else []
        links += [("next", readable[i + 1]["html"])] if i + 1 < len(readable) else []
        resources = {"page": page, "css": _css(), "links": links}
        try:
            body, _ = exporter.from_notebook_node(page["notebook"], resources=resources)
        except Exception as error:  # an output that no template can show must not take the other pages with it
            page |= {
                "state": "unreadable",
                "html": "",
                "problem": f"cannot be shown: {error}",
                "figures": [],
                "lead": None,
            }
            continue
        items = "".join(f'<li><a href="#{anchor}">{name}</a></li>' for anchor, name in HEADING.findall(body))
        contents = f'<details><summary>sections</summary><ul class="contents">{items}</ul></details>' if items else ""
        (folder / page["html"]).write_text(body.replace("<!--contents-->", contents))
    _write_index(folder, folder.name, [study], at_root=False, tables=[], links=above)
    kept = {"index.html", *(page["html"] for page in study["pages"])}
    for old in folder.glob("*.html"):
        if old.name not in kept and GENERATOR in old.read_text(errors="replace"):
            old.unlink()


def _write_index(folder, title, studies, **shown):
    template = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES)).get_template("site_index.html.j2")
    (folder / "index.html").write_text(template.render(title=title, studies=studies, css=_css(), **shown))
