"""Reading the results of a study, as far as the pages show them: states, key figures, figures, provenance."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from bigearth import outside

Facts = list[tuple[str, Any]]  # pairs of name and value


@dataclass
class PageContent:
    """Content of the page of one executed notebook; ``notebook`` is None where it cannot be read."""

    stem: str
    title: str
    html: str  # name of its page; empty where there is none
    notebook: nbformat.NotebookNode | None = None
    state: str = "unreadable"  # or finished, unfinished, failed
    problem: str = ""
    seconds: float = 0
    gpu_hours: float = 0
    key_figures: Facts = field(default_factory=list)
    provenance: Facts = field(default_factory=list)
    details: list[tuple[str, Facts]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)  # what lies in its folder
    figures: list[dict[str, str]] = field(default_factory=list)  # id, alt, png
    lead: dict[str, str] | None = None  # the figure that the index shows

    def give_up(self, reason: str) -> None:
        """Mark the page as one that cannot be shown, with the reason."""
        self.notebook, self.html, self.state, self.problem = None, "", "unreadable", reason
        self.figures, self.lead = [], None


@dataclass
class StudyContent:
    """Content of the index of one study."""

    name: str
    pages: list[PageContent]
    miniature: bool
    summary: str


def list_studies(root: Path) -> list[Path]:
    """Folders of a study; one that holds tables only (published figures, benchmarks) is none."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for path in folders if any(path.glob("*.ipynb")) or not any(path.glob("*.csv"))]


def read_study(folder: Path) -> StudyContent:
    """Read every notebook of a study's folder, in the order of their names."""
    pages = [read_page(path) for path in sorted(folder.glob("*.ipynb"))]
    summary = "No executed notebook is in this folder."
    if pages:
        states = Counter(page.state for page in pages).most_common()
        counted = ", ".join(f"{count} {state}" for state, count in states)
        duration = format_duration(sum(page.seconds for page in pages))
        gpu_hours = sum(page.gpu_hours for page in pages)
        summary = f"{len(pages)} runs: {counted}; {duration}, {gpu_hours:g} GPU hours in all."
    is_miniature = any(("data", "miniature") in page.key_figures for page in pages)
    return StudyContent(folder.name, pages, is_miniature, summary)


def read_page(path: Path) -> PageContent:
    """Read an executed notebook and the folder beside it; ``problem`` names what is missing or broken."""
    stem, folder = path.stem, path.parent / path.stem
    page = PageContent(stem, stem, f"{stem}.html")
    record, broken = _read_provenance(folder / "provenance.json")
    page.seconds = _read_number(record, "wall_seconds")
    page.gpu_hours = _read_number(record, "gpu_hours")
    page.key_figures = _read_key_figures(folder / "summary.csv")
    try:
        notebook = nbformat.reads(outside.read_text(path, "notebook"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # whatever a broken file raises: the page says so
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        page.give_up(f"{path.name} cannot be read: {reason}")
        return page
    page.notebook = notebook
    page.title = _find_title(notebook, stem)
    page.state, problem = _find_state(notebook, stem)
    page.problem = "; ".join(text for text in (problem, broken) if text)
    page.files = {str(file.relative_to(path.parent)) for file in folder.glob("*.*")}
    page.figures = _list_figures(notebook)
    page.lead = next((figure for figure in page.figures if figure["png"] in page.files), None)
    if record:
        page.provenance, page.details = _describe_record(record)
    else:
        page.provenance, page.details = _describe_papermill(notebook.metadata.get("papermill", {}))
    return page


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds; no hours where there are none."""
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")


def figure_id(png: str) -> str:
    """The anchor of a figure: its file's name."""
    return Path(png).stem


def _find_title(notebook: nbformat.NotebookNode, stem: str) -> str:
    """The notebook's heading, with the run's name where the study has several of this notebook."""
    first = notebook.cells[0].source if notebook.cells else ""
    heading = re.match(r"# (.+)", first)
    title = heading[1] if heading else stem
    name = stem.partition("-")[2].removesuffix(".partial")
    return f"{title} ({name})" if name else title


def _find_state(notebook: nbformat.NotebookNode, stem: str) -> tuple[str, str]:
    """State of an executed notebook, and what is wrong with it."""
    waiting = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                value = (output.evalue.splitlines() or [""])[0]
                return "failed", f"cell [{cell.execution_count}] failed: {output.ename}: {value}"
        if cell.cell_type == "code" and cell.source and not cell.execution_count:
            waiting += 1
    if waiting or stem.endswith(".partial"):
        return "unfinished", f"{waiting} of its cells were not executed"
    return "finished", ""


def _list_figures(notebook: nbformat.NotebookNode) -> list[dict[str, str]]:
    """The figures that were saved as files, with their alternative texts."""
    figures = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            about = output.get("metadata", {}).get("image/png", {})
            if "image/png" in output.get("data", {}) and isinstance(about.get("png"), str):
                png = about["png"]
                figures.append({"id": figure_id(png), "alt": about.get("alt") or png, "png": png})
    return figures


def _read_provenance(path: Path) -> tuple[dict[str, Any], str]:
    """The driver's record of a run, and what is wrong with it."""
    broken = f"{path.parent.name}/{path.name} is not valid JSON"
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, RecursionError):
        return {}, broken
    return (record, "") if isinstance(record, dict) else ({}, broken)


def _read_number(record: dict[str, Any], name: str) -> float:
    """A finite number of a record that is not negative; 0 for anything else."""
    value = record.get(name, 0)
    if isinstance(value, int | float) and 0 <= value < 1e9:
        return value
    return 0


def _describe_record(record: dict[str, Any]) -> tuple[Facts, list[tuple[str, Facts]]]:
    """Facts from the driver's record: those at the top of a page, and those that are folded there."""
    groups = {name: record.get(name) for name in ("parameters", "versions", "machine")}
    details = [(name, list(values.items()) if isinstance(values, dict) else []) for name, values in groups.items()]
    machine = record["machine"] if isinstance(record.get("machine"), dict) else {}
    known = [
        ("study", record.get("study")),
        ("run", record.get("run")),
        ("commit", record.get("commit")),
        ("started", _format_start(record.get("started"))),
        ("duration", format_duration(_read_number(record, "wall_seconds"))),
        ("GPU hours", record.get("gpu_hours")),
        ("workers", record.get("workers")),
        ("nodes", machine.get("nodes")),
        ("machine", f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores"),
    ]
    return [(name, value) for name, value in known if value not in (None, "")], details


def _describe_papermill(papermill: Any) -> tuple[Facts, list[tuple[str, Facts]]]:
    """The same from what papermill notes in a notebook, where there is no record."""
    known: Facts = [("provenance", "not recorded: the notebook was not executed by the driver")]
    if not isinstance(papermill, dict):
        return known, []
    if _read_number(papermill, "duration"):
        known.append(("duration", format_duration(_read_number(papermill, "duration"))))
    parameters = papermill.get("parameters")
    return known, [("parameters", list(parameters.items()) if isinstance(parameters, dict) else [])]


def _format_start(text: Any) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%d %B %Y, %H:%M UTC")
    except (TypeError, ValueError):
        return ""


def _read_key_figures(path: Path) -> Facts:
    """The numbers that a notebook put into ``summary.csv`` (what, value) for the index."""
    try:
        table = pd.read_csv(path, dtype=str)
        return [(what, value) for what, value in table.itertuples(index=False)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return [("summary", f"{path.parent.name}/{path.name} cannot be read")]
