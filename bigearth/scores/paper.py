"""The scores that the reference paper printed (Sedona et al. 2019, Tables 2 and 3)."""

import numpy as np
import pandas as pd

from bigearth.files import ROOT

PAPER = ROOT / "results/paper"
MODELS = ("rgb", "multispectral")
# half of the last digit that Table 2 prints
ROUNDING = 0.005


def read_table2() -> pd.DataFrame:
    """Precision, recall and F1 of both models: one row per model."""
    return pd.read_csv(PAPER / "table2_global_scores.csv").set_index("model")


def read_table3() -> pd.DataFrame:
    """Support and F1 of every class: columns ``support, rgb, multispectral``."""
    table = pd.read_csv(PAPER / "table3_per_class_f1.csv").set_index("class")
    return table.rename(columns={f"f1_{model}": model for model in MODELS})[["support", *MODELS]]


def compare_averages() -> pd.DataFrame:
    """Compare Table 2's F1 with the averages that follow from the paper's other figures.

    Table 3 gives the plain and the support-weighted mean over classes. The harmonic mean of Table 2's own precision and
    recall is the F1 of a micro average, up to the rounding of two digits.

    Returns
    -------
    DataFrame
        One row per model: ``model, printed F1, weighted (Table 3), macro (Table 3), harmonic mean of P and R (Table 2),
        at most, before rounding``.
    """
    printed = read_table2().loc[list(MODELS)]
    classes = read_table3()
    table = pd.DataFrame({"printed F1": printed["f1"]})
    table["weighted (Table 3)"] = [np.average(classes[model], weights=classes["support"]) for model in MODELS]
    table["macro (Table 3)"] = [classes[model].mean() for model in MODELS]
    table["harmonic mean of P and R (Table 2)"] = 2 / (1 / printed["precision"] + 1 / printed["recall"])
    highest = printed[["precision", "recall"]] + ROUNDING
    table["at most, before rounding"] = 2 / (1 / highest["precision"] + 1 / highest["recall"])
    return table.reset_index()
