"""One look for all figures, and one way to show and keep them."""

import textwrap
from html import escape
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown, display
from PIL import Image

from bigearth.patch import BANDS_10M

# Okabe and Ito's palette: told apart with any kind of colour vision, and by lightness in grey. One colour per model.
MODEL_COLOURS = {
    "multispectral": "#0072b2",
    "rgb": "#d55e00",
    "multiresolution": "#009e73",
    "paper": "#555555",
}
SPLIT_COLOURS = {"train": "#56b4e9", "validation": "#e69f00", "test": "#cc79a7"}
TRUE_COLOUR, FALSE_COLOUR = ("B04", "B03", "B02"), ("B08", "B04", "B03")
OTHERS = ("#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b3a100")
DPI = 150


def style():
    """Set matplotlib's defaults for a notebook; fonts stay legible when a figure is shown at half its size."""
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        palette=[MODEL_COLOURS[name] for name in ("multispectral", "rgb", "multiresolution")] + list(OTHERS),
        rc={
            "figure.figsize": (8, 4.5),
            "figure.constrained_layout.use": True,
            "savefig.dpi": DPI,
            "font.size": 12,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": "#e4e4e4",
            "legend.frameon": False,
        },
    )


def colour(model):
    """Colour of a model: the one of its bands where known, else one that its name always gets."""
    known = MODEL_COLOURS.get(str(model).partition("-")[0])  # rgb-n4-s2 is rgb
    return known or OTHERS[sum(str(model).encode()) % len(OTHERS)]


def show(fig, folder, name, data=None, alt=""):
    """Save a figure as PNG beside its data as CSV, show it in the notebook with alternative text, and close it.

    Parameters
    ----------
    fig : matplotlib Figure
    folder : Path
        Created where absent.
    name : str
        File name without suffix.
    data : DataFrame, optional
        What the figure shows; written without index.
    alt : str
        One sentence for readers who cannot see the figure; kept in the output's metadata, where nbconvert finds it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    fig.savefig(buffer, format="png", bbox_inches="tight", facecolor="white")
    # 256 colours are enough for what is drawn here, and a third of the bytes
    image, buffer = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE), BytesIO()
    image.save(buffer, format="png", optimize=True)
    (folder / f"{name}.png").write_bytes(buffer.getvalue())
    if data is not None:
        data.to_csv(folder / f"{name}.csv", index=False)
    files = {"alt": alt, "png": f"{folder.name}/{name}.png"}
    files |= {"csv": f"{folder.name}/{name}.csv"} if data is not None else {}
    # the place is kept before the image is there, so that a link to a figure below it hits
    files["width"], files["height"] = (round(side * 96 / DPI) for side in image.size)
    plt.close(fig)
    display({"image/png": buffer.getvalue(), "text/plain": alt}, raw=True, metadata={"image/png": files})


def table(data, folder, name, digits=3):
    """Save a DataFrame as CSV and show it rounded, without its index; text to the left, numbers to the right."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data.to_csv(folder / f"{name}.csv", index=False)
    rows = ["".join(f"<th>{escape(str(column))}</th>" for column in data.columns)]
    for row in data.itertuples(index=False):
        rows.append("".join(_cell(value, digits) for value in row))
    head, *body = (f"<tr>{row}</tr>" for row in rows)
    html = f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"
    files = {"csv": f"{folder.name}/{name}.csv"}
    display({"text/html": html, "text/plain": data.to_string()}, raw=True, metadata={"text/html": files})


def _cell(value, digits):
    if isinstance(value, list | tuple | np.ndarray):
        value = "; ".join(str(member) for member in value)
    if pd.isna(value):
        return "<td>–</td>"
    if isinstance(value, str | pd.Timestamp):
        text = value if isinstance(value, str) else f"{value:%Y-%m-%d}"
        return f'<td style="text-align:left">{escape(text)}</td>'
    return f"<td>{value:,.{digits}f}</td>" if isinstance(value, float) else f"<td>{value}</td>"


def summary(folder, figures):
    """Save the few figures of a notebook that the index of the results shows: a dict of names and values."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    figures = {what: f"{value:.3g}" if isinstance(value, float) else value for what, value in figures.items()}
    pd.DataFrame(figures.items(), columns=["what", "value"]).to_csv(Path(folder) / "summary.csv", index=False)


def composite(tens, bands=TRUE_COLOUR):
    """Image of three 10 m bands, all patches stretched alike so that bright and dark stay comparable.

    Parameters
    ----------
    tens : uint16 array (120, 120, 4)
        Digital numbers of the 10 m bands.
    bands : three of `BANDS_10M`
        For red, green and blue.

    Returns
    -------
    float array (120, 120, 3) in 0 ... 1
    """
    limits = np.array([5000 if band == "B08" else 3000 for band in bands])
    return np.clip(tens[..., [BANDS_10M.index(band) for band in bands]] / limits, 0, 1) ** 0.7


def gallery(images, titles, columns=6, scale=2, lines=3):
    """Figure of images (each (120, 120, 3) in 0 ... 1) in a grid, up to so many lines of text under each.

    One axes holds them all, ``scale`` pixels of the file for one of an image: quick to draw, crisp, small on disk.
    """
    size, gap, title = images[0].shape[0], 10, (lines * 23 + 22) // scale
    rows = -(-len(images) // columns)
    canvas = np.ones((rows * (size + title), columns * (size + gap), 3))
    fig = plt.figure(figsize=[scale * side / DPI for side in canvas.shape[1::-1]], layout="none")
    axis = fig.add_axes((0, 0, 1, 1))
    axis.axis("off")
    for i, (image, text) in enumerate(zip(images, titles, strict=True)):
        y, x = i // columns * (size + title), i % columns * (size + gap)
        canvas[y : y + size, x : x + size] = image
        wrapped = [line for part in text.splitlines() for line in textwrap.wrap(part, size * scale // 11)]
        wrapped = wrapped if len(wrapped) <= lines else [*wrapped[: lines - 1], wrapped[lines - 1] + " …"]
        axis.text(x, y + size + 3, "\n".join(wrapped), fontsize=9, va="top")
    axis.imshow(canvas, interpolation="nearest", aspect="auto")
    return fig


def matrix(axis, values, label):
    """Draw a square DataFrame of shares, and return it without its diagonal."""
    values = values.mask(np.eye(len(values), dtype=bool))
    names = {"xticklabels": short(values.columns, 26), "yticklabels": short(values.index, 36)}
    sns.heatmap(values, cmap="cividis", vmin=0, square=True, ax=axis, cbar_kws={"label": label, "shrink": 0.6}, **names)
    axis.set(xlabel="", ylabel="")
    axis.grid(False)
    axis.tick_params(labelsize=9.5)
    return values


def short(names, width=40):
    """Names cut to ``width`` characters, for axes."""
    return [name if len(name) <= width else name[: width - 1].rstrip(" ,") + "…" for name in names]


def wrap(name, width):
    """A long name on several lines, for titles."""
    return textwrap.fill(name, width)


def interval(axis, x, table, **look):
    """Points with error bars from columns ``value``, ``low`` and ``high``, as `scores.global_scores` returns them."""
    # a bootstrap interval may miss the value itself where there are few patches
    below, above = (table.value - table.low).clip(lower=0), (table.high - table.value).clip(lower=0)
    axis.errorbar(x, table.value, [below, above], **{"fmt": "o", "capsize": 2} | look)


def say(*sentences):
    """Show sentences as one paragraph of text (Markdown)."""
    display(Markdown(" ".join(sentence for sentence in sentences if sentence)))
