"""One look for all figures, and one way to show and keep them."""

from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import display

# Okabe and Ito's palette: told apart with any kind of colour vision, and by lightness in grey. One colour per model.
MODEL_COLOURS = {
    "multispectral": "#0072b2",
    "rgb": "#d55e00",
    "multiresolution": "#009e73",
    "paper": "#555555",
}
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
    # Without the metadata the same figure has the same bytes on every machine with this matplotlib.
    fig.savefig(buffer, format="png", bbox_inches="tight", facecolor="white", metadata={"Software": None})
    (folder / f"{name}.png").write_bytes(buffer.getvalue())
    if data is not None:
        data.to_csv(folder / f"{name}.csv", index=False)
    files = {"alt": alt, "png": f"{folder.name}/{name}.png"}
    files |= {"csv": f"{folder.name}/{name}.csv"} if data is not None else {}
    width = round(fig.get_figwidth() * 96)
    plt.close(fig)
    files["width"] = width
    display({"image/png": buffer.getvalue(), "text/plain": alt}, raw=True, metadata={"image/png": files})
