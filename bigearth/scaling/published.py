"""Our runs beside the times that the reference paper published (Sedona et al. 2019)."""

import pandas as pd

from bigearth.files import ROOT
from bigearth.scaling.runs import TrainingRuns
from bigearth.scaling.speedup import build_series, compute_speedups

PAPER = ROOT / "results/paper"
# patches of the archive after exclusions; the trained share is our assumption: the paper names no split, and
# its supports fix the test share only (about 20 %)
PAPER_PATCHES = 519_226
TRAINED_SHARE = 0.6
TRAINED_PATCHES = PAPER_PATCHES * TRAINED_SHARE
# of a full training
PAPER_EPOCHS = 100


def read_juwels_epochs() -> pd.DataFrame:
    """Published seconds per epoch on JUWELS: ``nodes, gpus, seconds_per_epoch``."""
    return pd.read_csv(PAPER / "epoch_time_juwels.csv")


def compare_epoch_times(runs: TrainingRuns) -> pd.DataFrame:
    """The published curve of JUWELS, and the scaling series of our runs below it.

    Returns
    -------
    DataFrame
        Columns of `bigearth.scaling.speedup.build_series`. Images/s of JUWELS assume that 60 % of the patches were
        trained on.
    """
    published = read_juwels_epochs()
    juwels = published.rename(columns={"gpus": "workers", "seconds_per_epoch": "epoch_s"})
    juwels = juwels.join(compute_speedups(juwels["workers"], juwels["epoch_s"]))
    juwels["series"] = "JUWELS (published)"
    juwels["scaling"] = "weak"
    juwels["repeats"] = 2
    juwels["remarks"] = ""
    juwels["images_s"] = TRAINED_PATCHES / juwels["epoch_s"]
    juwels["worker_hours"] = juwels["workers"] * juwels["epoch_s"] / 3600
    both = pd.concat([juwels, build_series(runs.table)], ignore_index=True)
    first = ["series", "scaling", "nodes", "workers", "repeats", "epoch_s", "deviation", "speedup", "efficiency"]
    return both[[*first, "karp_flatt", "images_s", "worker_hours", "validation_s", "startup_s", "remarks"]]


def compare_full_trainings(runs: TrainingRuns) -> pd.DataFrame:
    """Hours of a full training: what the paper's text says, 100 published epochs, and our runs from start to end.

    The short trainings of `bigearth.scaling.measure` are left out.

    Returns
    -------
    DataFrame
        ``machine, nodes, said`` ("almost" and "less than" are bounds, "about" is a time), ``hours``.
    """
    epochs = read_juwels_epochs()
    hundred = pd.DataFrame({"machine": "JUWELS, 100 x published epoch", "nodes": epochs["nodes"]})
    hundred["hours"] = PAPER_EPOCHS * epochs["seconds_per_epoch"] / 3600
    ours = runs.full_trainings.groupby(["experiment", "nodes"])["total_s"].mean().div(3600).reset_index(name="hours")
    ours = ours.rename(columns={"experiment": "machine"})
    return pd.concat([pd.read_csv(PAPER / "full_training.csv"), hundred, ours], ignore_index=True)
