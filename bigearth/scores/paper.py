"""Published scores: the reference paper's (Sedona et al. 2019, Tables 2 and 3), and those of BigEarthNet v2.0."""

import numpy as np
import pandas as pd

from bigearth.files import ROOT

PAPER = ROOT / "results/paper"
MODELS = ("rgb", "multispectral")
# The miniature's networks find the first easily, since its spectrum is unlike any other there, and the second hardly,
# since few patches carry it; in the paper it is the other way round.
ODD_CLASSES = ("Burnt areas", "Coastal lagoons")
# half of the last digit that Table 2 prints
ROUNDING = 0.005


def read_table2() -> pd.DataFrame:
    """Precision, recall and F1 of both models: one row per model."""
    return pd.read_csv(PAPER / "table2_global_scores.csv").set_index("model")


def read_table3() -> pd.DataFrame:
    """Support and F1 of every class: columns ``support, rgb, multispectral``."""
    table = pd.read_csv(PAPER / "table3_per_class_f1.csv").set_index("class")
    return table.rename(columns={f"f1_{model}": model for model in MODELS})[["support", *MODELS]]


def read_v2() -> pd.DataFrame:
    """Scores of ResNet-50 on BigEarthNet v2.0's test split, 19 classes (Clasen et al. 2024, reBEN).

    The network saw Sentinel-1 and Sentinel-2 together: no target for Sentinel-2 alone.

    Returns
    -------
    DataFrame
        ``model, inputs, measure, average, value``.
    """
    return pd.read_csv(PAPER / "reben_v2.csv")


def set_beside_v2(run: str, values: pd.Series) -> pd.DataFrame:
    """Set a run's scores beside `read_v2`.

    Parameters
    ----------
    run : str
    values : Series
        Scores by (measure, average).

    Returns
    -------
    DataFrame
        ``run, measure, average, value, published, published for``.
    """
    published = read_v2()
    keys = pd.MultiIndex.from_frame(published[["measure", "average"]])
    table = published[["measure", "average"]].copy()
    table.insert(0, "run", run)
    table["value"] = values.reindex(keys).to_numpy()
    table["published"] = published["value"]
    table["published for"] = published["model"] + ", " + published["inputs"]
    return table


def describe_odd_classes(class_f1: pd.DataFrame) -> str:
    """Describe, of the miniature's runs, the classes whose score comes from the landscape that was generated.

    Parameters
    ----------
    class_f1 : DataFrame
        ``run, label, value``; NaN for a class without support.
    """
    here = class_f1.pivot(index="label", columns="run", values="value")
    printed = read_table3()
    found = []
    for label in ODD_CLASSES:
        if label not in here.index or here.loc[label].isna().any():
            continue
        ours = ", ".join(f"{run} {value:.2f}" for run, value in here.loc[label].items())
        theirs = ", ".join(f"{model} {printed.loc[label, model]:.2f}" for model in MODELS)
        found.append(f"{label} ({ours}; in the paper {theirs})")
    if not found:
        return ""
    return (
        "Over some classes the generated landscape decides, not the sensor; they test no finding of the paper: "
        f"{', '.join(found)}."
    )


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
