"""One look for all figures, and one way to show and keep them."""

import textwrap
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython.display import Markdown, display
from PIL import Image

from bigearth.sentinel2 import BANDS_10M

# Okabe and Ito's palette: told apart with any kind of colour vision, and by lightness in grey. One colour per model.
MODEL_COLOURS = {
    "multispectral": "#0072b2",
    "rgb": "#d55e00",
    "multiresolution": "#009e73",
    "paper": "#555555",
}
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
    name = str(model).lower()
    for known in MODEL_COLOURS:
        if name.startswith(known):
            return MODEL_COLOURS[known]
    return OTHERS[sum(name.encode()) % len(OTHERS)]


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
    files["width"] = round(fig.get_figwidth() * 96)
    plt.close(fig)
    display({"image/png": buffer.getvalue(), "text/plain": alt}, raw=True, metadata={"image/png": files})


def table(data, folder, name, digits=3):
    """Save a DataFrame as CSV and show it rounded, without its index."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data.to_csv(folder / f"{name}.csv", index=False)
    html = data.to_html(index=False, border=0, na_rep="–", float_format=lambda value: f"{value:,.{digits}f}")
    files = {"csv": f"{folder.name}/{name}.csv"}
    display({"text/html": html, "text/plain": data.to_string()}, raw=True, metadata={"text/html": files})


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


def gallery(images, titles, columns=6):
    """Figure of images (each (120, 120, 3) in 0 ... 1) in a grid, a small title under each.

    One axes holds them all, two pixels of the file for one of an image: quick to draw, crisp, and small on disk.
    """
    size, gap, title = images[0].shape[0], 10, 46
    rows = -(-len(images) // columns)
    canvas = np.ones((rows * (size + title), columns * (size + gap), 3))
    fig = plt.figure(figsize=[2 * side / DPI for side in canvas.shape[1::-1]], layout="none")
    axis = fig.add_axes((0, 0, 1, 1))
    axis.axis("off")
    for i, (image, text) in enumerate(zip(images, titles, strict=True)):
        y, x = i // columns * (size + title), i % columns * (size + gap)
        canvas[y : y + size, x : x + size] = image
        lines = textwrap.wrap(text, 21, max_lines=3, placeholder="…")
        axis.text(x, y + size + 3, "\n".join(lines), fontsize=9, va="top")
    axis.imshow(canvas, interpolation="nearest", aspect="auto")
    return fig


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
    axis.errorbar(x, table.value, [below, above], fmt="o", capsize=2, **look)


def say(*sentences):
    """Show sentences as one paragraph of text (Markdown)."""
    display(Markdown(" ".join(sentence for sentence in sentences if sentence)))
