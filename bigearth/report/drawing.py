"""How figures look: colours, the style of a page, and drawings that several notebooks share."""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from bigearth.patch import BANDS_10M, RGB

# Okabe and Ito's palette: told apart with any kind of colour vision, and by lightness in grey. One colour per model.
MODEL_COLOURS = {
    "multispectral": "#0072b2",
    "rgb": "#d55e00",
    "multiresolution": "#009e73",
    "paper": "#555555",
}
OTHER_COLOURS = ("#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b3a100")

# Digital numbers that are drawn as full brightness: vegetation reflects near infrared (B08) most.
BRIGHTEST = {"B02": 3000, "B03": 3000, "B04": 3000, "B08": 5000}

DPI = 150
LINE_PIXELS = 23  # height of a line of text under an image of a gallery, in pixels of the file
LETTER_PIXELS = 11  # width of a letter there
GALLERY_GAP = 10  # between two images of a gallery, in pixels of the image


def set_style() -> None:
    """Set matplotlib's defaults for a notebook; fonts stay legible when a figure is shown at half its size."""
    palette = [MODEL_COLOURS[name] for name in ("multispectral", "rgb", "multiresolution")]
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        palette=palette + list(OTHER_COLOURS),
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


def choose_colour(model: object) -> str:
    """Choose the colour of a model: the one of its bands if they are known, else one that its name always gets."""
    name = str(model)
    bands = name.partition("-")[0]  # rgb-n4-s2 is rgb
    if bands in MODEL_COLOURS:
        return MODEL_COLOURS[bands]
    return OTHER_COLOURS[sum(name.encode()) % len(OTHER_COLOURS)]


def make_composite(tens: np.ndarray, bands: Sequence[str] = RGB) -> np.ndarray:
    """Make a colour image of three 10 m bands. All patches are stretched alike, so that they can be compared.

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
    columns = [BANDS_10M.index(band) for band in bands]
    limits = np.array([BRIGHTEST[band] for band in bands])
    return np.clip(tens[..., columns] / limits, 0, 1) ** 0.7


def draw_gallery(
    images: Sequence[np.ndarray], titles: Sequence[str], columns: int = 6, scale: int = 2, lines: int = 3
) -> Figure:
    """Draw images in a grid, with text under each.

    One axes holds them all, which is quick to draw, crisp and small on disk.

    Parameters
    ----------
    images : sequence of float arrays (120, 120, 3) in 0 ... 1
    titles : sequence of str
        One per image.
    columns : int
        Images per row.
    scale : int
        Pixels of the file for one pixel of an image.
    lines : int
        Most lines of text under an image; longer text is cut.
    """
    size = images[0].shape[0]
    step_x = size + GALLERY_GAP
    step_y = size + (lines * LINE_PIXELS + 22) // scale
    rows = -(-len(images) // columns)
    canvas = np.ones((rows * step_y, columns * step_x, 3))
    height, width = canvas.shape[:2]
    fig = plt.figure(figsize=(scale * width / DPI, scale * height / DPI), layout="none")
    axis = fig.add_axes((0, 0, 1, 1))
    axis.axis("off")
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        y = i // columns * step_y
        x = i % columns * step_x
        canvas[y : y + size, x : x + size] = image
        axis.text(x, y + size + 3, _fit_text(title, size * scale // LETTER_PIXELS, lines), fontsize=9, va="top")
    axis.imshow(canvas, interpolation="nearest", aspect="auto")
    return fig


def _fit_text(text: str, width: int, lines: int) -> str:
    """Wrap text at ``width`` letters, and cut it after ``lines`` lines."""
    wrapped: list[str] = []
    for paragraph in text.splitlines():
        wrapped += textwrap.wrap(paragraph, width)
    if len(wrapped) > lines:
        wrapped = wrapped[:lines]
        wrapped[-1] += " …"
    return "\n".join(wrapped)


def draw_spectra(spectra: pd.DataFrame, colours: Mapping[str, str], columns: int = 4) -> Figure:
    """Draw one panel per class: its median spectrum, its quartiles, and the median of all patches as a dashed line.

    Parameters
    ----------
    spectra : DataFrame
        Columns label, wavelength_nm, q25, median, q75, all_patches (reflectance), as `Sample.measure_spectra` returns.
    colours : mapping
        The colour of each label.
    columns : int
        Panels per row.
    """
    groups = list(spectra.groupby("label", sort=False))
    height = -(-len(groups) // columns)
    size = (10, 0.8 + 2.1 * height)
    fig, axes = plt.subplots(height, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    line = {"color": "black", "marker": "o", "markersize": 3.5, "markerfacecolor": "white", "linewidth": 1.2}
    for axis, (label, part) in zip(axes.flat, groups, strict=False):
        nm = part.wavelength_nm
        axis.fill_between(nm, part.q25, part.q75, color=colours[label], edgecolor="#777777", linewidth=0.5)
        axis.plot(nm, part["median"], **line)
        axis.plot(nm, part.all_patches, color="#888888", linestyle="--", linewidth=1)
        axis.set_title(textwrap.fill(label, 26), fontsize=10, fontweight="normal")
    for axis in axes.flat[len(groups) :]:
        axis.axis("off")
    fig.supxlabel("wavelength (nm)", fontsize=12)
    fig.supylabel("reflectance", fontsize=12)
    return fig
