"""The page of a notebook: its parameters, its banner, its tables, figures and sentences, and the check at its end."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from PIL import Image

from bigearth import declarations
from bigearth.errors import InputError, Readable
from bigearth.files import ROOT, resolve, write_whole
from bigearth.report.drawing import DPI, set_style

BANNER = (
    "> **The miniature**: a generated landscape in the layout of BigEarthNet and, by default, a narrow network. "
    "The numbers on this page show that the study works, not how well BigEarthNet can be classified."
)
SCREEN_DPI = 96  # of a browser's page


class CheckFailed(Readable):
    """A check at the end of a notebook failed; the message names it."""


class Page:
    """One notebook's page: shows tables, figures and sentences, and keeps them in the results folder.

    The first statement after a notebook's parameters cell makes it: ``page = Page("01_exploration")``. It checks the
    parameters, sets the style of the figures, and finds the folders.

    Parameters
    ----------
    name : str
        The notebook's name without suffix.
    results : Path or str, optional
        Folder for what is kept; default: the notebook's parameter ``results``.
    run : str, optional
        Added to the folder's name; default: the notebook's parameter ``run``, if it has one.

    Attributes
    ----------
    folder : Path
        ``<results>/<name>``, or ``<results>/<name>-<run>``; created with the first table or figure.
    workdir : Path
        The notebook's parameter ``workdir``, absolute.
    parameters : dict
        The notebook's parameters, converted and checked.

    Raises
    ------
    InputError
        A parameter cannot be used, or the folder cannot be written.
    """

    def __init__(self, name: str, results: Path | str | None = None, run: str | None = None) -> None:
        given: dict[str, Any] = {}
        if get_ipython() is not None:
            given = declarations.of_notebook()
        if results is None:
            results = given["results"]
        workdir = given.get("workdir", "scratch")
        for parameter, value in {"results": results, "workdir": workdir}.items():
            if not str(value).strip():
                raise InputError(f"{parameter} is empty; give a folder, such as scratch/{parameter}")
        if run is None:
            run = given.get("run", "")
        if run and (Path(run).name != run or run == ".."):
            raise InputError(f"run {run!r} is no name of a folder: give a name without slashes, such as {name[3:]!r}")
        self.name = f"{name}-{run}" if run else name
        self.folder = resolve(results) / self.name
        self.workdir = resolve(workdir)
        self.parameters = given
        self.is_miniature = False
        self.tables: list[str] = []
        self.figures: list[str] = []
        _check_writable(self.folder)
        set_style()

    def banner(self, is_miniature: bool) -> None:
        """Show once, near the top of the page, that its numbers are those of the miniature (if they are)."""
        self.is_miniature = bool(is_miniature)
        if self.is_miniature:
            self.say(BANNER)

    def say(self, *sentences: str) -> None:
        """Show sentences as one paragraph of Markdown; empty ones are skipped."""
        display(Markdown(" ".join(sentence for sentence in sentences if sentence)))

    def table(self, data: pd.DataFrame, name: str, digits: int = 3) -> None:
        """Save a table as ``<name>.csv``, and show it rounded to ``digits`` decimals, without its index."""
        self._write_csv(data, name)
        about = {"csv": f"{self.name}/{name}.csv"}
        shown = {"text/html": render_table(data, digits), "text/plain": data.to_string()}
        display(shown, raw=True, metadata={"text/html": about})

    def figure(self, fig: Figure, name: str, data: pd.DataFrame | None = None, *, alt: str) -> None:
        """Save a figure as ``<name>.png``, show it with alternative text, and close it.

        Parameters
        ----------
        fig : matplotlib Figure
        name : str
            File name without suffix.
        data : DataFrame, optional
            What the figure shows; saved as ``<name>.csv`` without its index.
        alt : str
            One sentence for readers who cannot see the figure; kept in the output's metadata for the HTML page.
        """
        if not alt.strip():
            raise ValueError(f"figure {name} has no alternative text: say in one sentence what it shows")
        image = _draw_png(fig)
        plt.close(fig)
        png = _encode_png(image)
        about: dict[str, Any] = {"alt": alt, "png": f"{self.name}/{name}.png"}
        with _replace_own_file(self.folder / f"{name}.png") as partial:
            partial.write_bytes(png)
        self.figures.append(name)
        if data is not None:
            self._write_csv(data, name)
            about["csv"] = f"{self.name}/{name}.csv"
        # a browser keeps the place before the image is there, so that a link to a figure below it hits
        about["width"], about["height"] = (round(side * SCREEN_DPI / DPI) for side in image.size)
        display({"image/png": png, "text/plain": alt}, raw=True, metadata={"image/png": about})

    def read_paper(self, table: str) -> pd.DataFrame:
        """Read a table of published figures, such as "table1_datasets", from ``results/paper/``."""
        return pd.read_csv(ROOT / "results" / "paper" / f"{table}.csv")

    def finish(self, key_figures: Mapping[str, Any], checks: Mapping[str, bool]) -> None:
        """Save the key figures, say what was written, and fail if a check failed.

        Parameters
        ----------
        key_figures : mapping
            What the index of the results shows of this page: names and values, in order.
        checks : mapping
            For each check its name, and whether it passed.

        Raises
        ------
        CheckFailed
            Names every check that failed.
        """
        figures = dict(key_figures)
        if self.is_miniature:
            figures = {"data": "miniature"} | figures
        self._write_csv(_tabulate_key_figures(figures), "summary")
        tables, images = len(set(self.tables)), len(set(self.figures))
        self.say(f"Written to `{_shorten_path(self.folder)}`: tables: {tables}, figures: {images}.")
        failed = [name for name, passed in checks.items() if not passed]
        if failed:
            raise CheckFailed(f"{self.name}: {len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}")

    def _write_csv(self, data: pd.DataFrame, name: str) -> None:
        with _replace_own_file(self.folder / f"{name}.csv") as partial:
            data.to_csv(partial, index=False)
        self.tables.append(name)


def _draw_png(fig: Figure) -> Image.Image:
    """Draw a figure with 256 colours: enough for what is drawn here, and a third of the bytes."""
    buffer = BytesIO()
    fig.savefig(buffer, format="png", bbox_inches="tight", facecolor="white")
    return Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)


def _encode_png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def render_table(data: pd.DataFrame, digits: int) -> str:
    """HTML of a table without its index: numbers rounded and to the right, text to the left, a dash for no value."""
    head = "".join(f"<th>{escape(str(column))}</th>" for column in data.columns)
    body = ""
    for row in data.itertuples(index=False):
        cells = "".join(_format_cell(value, digits) for value in row)
        body += f"<tr>{cells}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _format_cell(value: Any, digits: int) -> str:
    """One cell of a table in HTML."""
    if isinstance(value, list | tuple | np.ndarray):
        value = "; ".join(str(member) for member in value)
    if pd.isna(value):
        return "<td>–</td>"
    if isinstance(value, pd.Timestamp):
        value = f"{value:%Y-%m-%d}"
    if isinstance(value, str):
        return f'<td style="text-align:left">{escape(value)}</td>'
    if isinstance(value, float):
        return f"<td>{value:,.{digits}f}</td>"
    return f"<td>{value}</td>"


def _tabulate_key_figures(figures: Mapping[str, Any]) -> pd.DataFrame:
    """Names and values, with three digits for a float: columns ``what`` and ``value``."""
    rows = []
    for what, value in figures.items():
        shown = f"{value:.3g}" if isinstance(value, float) else value
        rows.append((what, shown))
    return pd.DataFrame(rows, columns=["what", "value"])


@contextmanager
def _replace_own_file(path: Path) -> Iterator[Path]:
    """Write a file of the page whole; a folder, link or device in its place is never replaced."""
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise InputError(f"results: {path} is no file of the study; choose another folder for results")
    try:
        with write_whole(path) as partial:
            yield partial
    except OSError as error:
        raise InputError(
            f"results: {path} cannot be written ({error.strerror}); make room, or choose another folder for results"
        ) from None


def _check_writable(folder: Path) -> None:
    """Raise InputError if the results folder cannot be written or created."""
    existing = folder
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        raise InputError(f"results: {existing} is not a folder; choose another folder for results")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"results: {existing} cannot be written; choose another folder for results")


def _shorten_path(path: Path) -> Path:
    """The path from the project's folder on, if it lies below it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
