"""Read the folders of training runs: epoch times, parts of a step, accuracy and remarks, in one table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.scaling.run_files import (
    SECONDS_COLUMNS,
    STEP_PARTS,
    RunRecord,
    find_timing_gaps,
    read_history,
    read_record,
    read_timings,
)
from bigearth.scores import metrics
from bigearth.scores.predictions import read_predictions

# parameters that may differ between the runs of one experiment
MAY_DIFFER = ("run", "workdir", "results", "workers", "batch_size", "seed")
# names of short trainings that `bigearth.scaling.measure` makes
SHORT_TRAINING = r"scaling-w\d+-b\d+"


@dataclass(frozen=True)
class TrainingRuns:
    """Finished training runs.

    Attributes
    ----------
    table : DataFrame
        One row per run; see `collect_runs`.
    step_parts : DataFrame
        Seconds per step of each run with whole timings: ``run, workers, nodes, input, forward and backward,
        communication not hidden, update, step``; ``validation``, that of an epoch divided by its steps; and ``noise``,
        the standard deviation of one rank's compute time over its mean. Mean over the steps of an epoch, median of the
        epochs after the first.
    left_out : list of str
        Runs that were asked for but are not finished: only a finished run says on what it ran.
    is_miniature : bool
        Whether a run was trained on the miniature.
    """

    table: pd.DataFrame
    step_parts: pd.DataFrame
    left_out: list[str]
    is_miniature: bool

    @property
    def full_trainings(self) -> pd.DataFrame:
        """Runs that were trained for their scores, not for their time: all but those of `bigearth.scaling.measure`."""
        return self.table[~self.table["run"].str.match(SHORT_TRAINING)]

    def average_scores(self) -> pd.DataFrame:
        """Average F1 over full trainings that differ in nothing but the seed.

        Returns
        -------
        DataFrame
            ``series`` (the experiment, and the split where it is not the test split), ``batch_size, workers, nodes,
            global_batch, f1, deviation, repeats``.
        """
        runs = self.full_trainings
        of_validation = runs["f1_split"] == "validation"
        series = runs["experiment"] + of_validation.map({True: "; validation", False: ""})
        keys = ["series", "batch_size", "workers", "nodes", "global_batch"]
        scores = runs.assign(series=series).groupby(keys, sort=False)["f1"]
        return scores.agg(f1="mean", deviation="std", repeats="count").reset_index()


def collect_runs(workdir: Path | str, runs: Sequence[str] = ()) -> TrainingRuns:
    """Read history, timings, provenance and predictions of training runs.

    Parameters
    ----------
    workdir : path
        Runs are folders ``runs/<run>`` below it.
    runs : sequence of str
        Names; a name also stands for its node counts and seeds (``rgb`` for ``rgb-n2-s1``, ``rgb-n2-s2`` ...). Empty:
        all runs. A run that is named twice counts once.

    Returns
    -------
    TrainingRuns
        Its table has ``experiment``, equal for runs that differ in nothing but workers, nodes, batch and seed: network,
        optimizer, epochs and what sets the run apart from the others; ``epoch_s``, the training time of an epoch
        (median of the epochs after the first: the first one, and the first after each resumption, hold the tracing of
        the graph); ``validation_s, startup_s, images_s, gpu_hours``; ``f1`` and the split it is of (``f1_split``);
        ``remarks``, the problems of the run as text, empty where there are none.

    Raises
    ------
    InputError
        A named run is missing, a file of it cannot be read, or none of the runs is finished.
    """
    folder = resolve(workdir) / "runs"
    names = find_runs(folder, runs)
    finished = [name for name in names if (folder / name / "provenance.json").exists()]
    if not finished:
        raise InputError(
            f"runs: {folder} holds no finished run of those asked for; run 03_training first, or set measure"
        )
    rows, settings, step_parts = [], [], []
    is_miniature = False
    for name in finished:
        record = read_record(folder / name)
        row = summarise_run(folder / name, record)
        is_miniature |= row.pop("is_miniature")
        timings = row.pop("timings")
        rows.append(row)
        settings.append(list_settings(record))
        if len(timings):
            step_parts.append(measure_step_parts(timings, row))
    table = pd.DataFrame(rows)
    table.insert(1, "experiment", name_experiments(settings))
    columns = ["run", "workers", "nodes", *STEP_PARTS.values(), "update", "step", "validation", "noise"]
    left_out = sorted(set(names) - set(finished))
    return TrainingRuns(table, pd.DataFrame(step_parts, columns=columns), left_out, is_miniature)


def find_runs(folder: Path, runs: Sequence[str]) -> list[str]:
    """Names of the runs in ``folder`` that are asked for, each once; all of them where ``runs`` is empty.

    Raises
    ------
    InputError
        A run is missing.
    """
    present = sorted(path.name for path in folder.glob("*/") if path.is_dir())
    if isinstance(runs, str):
        runs = [runs]
    found: list[str] = []
    for run in runs or present:
        matching = [run]
        if run not in present:
            # a study names the runs of a matrix by node count and seed
            pattern = re.escape(run) + r"(-n\d+)?(-s\d+)?"
            matching = [name for name in present if re.fullmatch(pattern, name)]
        if not matching:
            raise InputError(f"runs: {folder / run} is missing: train it first, or correct its name")
        found += matching
    return list(dict.fromkeys(found))


def summarise_run(run: Path, record: RunRecord) -> dict[str, Any]:
    """One row of the table of `collect_runs`, without ``experiment`` but with ``is_miniature`` and ``timings``."""
    history = read_history(run)
    parameters = record.parameters

    # the first epoch holds the tracing of the graph
    seconds = history["seconds"]
    later = seconds[1:] if len(seconds) > 1 else seconds
    epoch_s = later.median()
    tracing = seconds[0] - epoch_s

    # the wall time that is neither training, validation nor checkpoint is start-up
    accounted = seconds.sum() + history["validation_seconds"].sum()
    if "checkpoint_seconds" in history:
        accounted += pd.to_numeric(history["checkpoint_seconds"], errors="coerce").sum()
    startup = max(record.wall_seconds - accounted, 0.0) + tracing

    remarks = find_history_problems(history, parameters["epochs"])
    timings, timing_remarks = read_usable_timings(run, record.workers, history["epoch"])
    score = read_score(run, history)
    remarks += timing_remarks + score["remarks"]
    images = int(history["images"].iloc[-1])
    return {
        "run": run.name,
        "machine": record.hardware,
        "workers": record.workers,
        "nodes": record.nodes,
        "batch_size": parameters["batch_size"],
        "global_batch": parameters["batch_size"] * record.workers,
        "seed": parameters["seed"],
        "epochs": len(history),
        "images": images,
        "epoch_s": epoch_s,
        "validation_s": history["validation_seconds"].mean(),
        "startup_s": startup,
        "total_s": record.wall_seconds,
        "images_s": images / epoch_s,
        "gpu_hours": record.gpu_hours,
        "f1": score["f1"],
        "f1_split": score["split"],
        "remarks": "; ".join(remarks),
        "is_miniature": score["is_miniature"],
        "timings": timings,
    }


def read_usable_timings(run: Path, workers: int, epochs: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    """Timings of a run, empty where they cannot be used, and remarks on them."""
    if not (run / "timings.csv").exists():
        return pd.DataFrame(), ["no timings.csv"]
    try:
        timings = read_timings(run)
    except InputError as error:
        return pd.DataFrame(), [f"timings not used: {error}"]
    return timings, find_timing_gaps(timings, workers, epochs)


def find_history_problems(history: pd.DataFrame, epochs: int) -> list[str]:
    """List what is missing in ``history.csv`` of a training of so many epochs."""
    problems = []
    numbers = history["epoch"].to_list()
    if len(history) < epochs:
        problems.append(f"history.csv holds {len(history)} of {epochs} epochs")
    if max(numbers) > epochs:
        problems.append(f"history.csv names epoch {max(numbers):g} of {epochs}")
    if numbers != list(range(int(numbers[0]), int(numbers[0]) + len(numbers))):
        problems.append("epochs missing in history.csv")
    if len(history) == 1:
        problems.append("one epoch: holds the tracing of the graph")
    return problems


def read_score(run: Path, history: pd.DataFrame) -> dict[str, Any]:
    """Micro F1 of the test split where there is one, else of the last validation.

    Returns
    -------
    dict
        ``f1, split, is_miniature, remarks``.
    """
    score: dict[str, Any] = {
        "f1": float(history["val_f1"].iloc[-1]),
        "split": "validation",
        "is_miniature": False,
        "remarks": [],
    }
    if not (run / "predictions.h5").exists():
        return score
    try:
        predictions = read_predictions(run / "predictions.h5")
    except InputError as error:
        return score | {"remarks": [f"predictions not used: {error}"]}
    score["is_miniature"] = predictions.miniature
    test = predictions.select("test")
    if len(test.truth):
        counts = metrics.count_decisions(test.truth, metrics.assign_labels(test.score))
        score["f1"] = float(metrics.precision_recall_f1(counts, "micro")[2])
        score["split"] = "test"
    return score


def measure_step_parts(timings: pd.DataFrame, row: dict[str, Any]) -> dict[str, Any]:
    """One row of ``TrainingRuns.step_parts``; ``row`` is that of `summarise_run`."""
    # the first epoch holds the tracing of the graph
    if timings["epoch"].nunique() > 1:
        timings = timings[timings["epoch"] > timings["epoch"].min()]
    mean = timings.groupby("epoch")[list(SECONDS_COLUMNS)].mean().median()
    of_one_rank = timings.groupby(["epoch", "rank"])["compute_s"]
    found = {"run": row["run"], "workers": row["workers"], "nodes": row["nodes"]}
    for column, title in STEP_PARTS.items():
        found[title] = mean[column]
    found["update"] = mean["step_s"] - mean[list(STEP_PARTS)].sum()
    found["step"] = mean["step_s"]
    found["validation"] = row["validation_s"] * row["global_batch"] / row["images"]
    found["noise"] = (of_one_rank.std() / of_one_rank.mean()).median()
    return found


def list_settings(record: RunRecord) -> dict[str, str]:
    """All that sets a run's experiment apart, as texts; ``title`` is what is always named."""
    p = record.parameters
    bands = p["bands"] if isinstance(p["bands"], str) else " ".join(p["bands"])
    blocks = "-".join(str(number) for number in p["blocks"])
    settings = {name: str(value) for name, value in p.items() if name not in MAY_DIFFER}
    settings["machine"] = record.hardware
    settings["title"] = (
        f"{bands}, width {p['width']}, blocks {blocks}, {p['optimizer']}, {p['schedule']}, {p['epochs']} epochs"
    )
    return settings


def name_experiments(settings: Sequence[dict[str, str]]) -> pd.Series:
    """Name the experiment of each run; two names are equal only where all settings are."""
    table = pd.DataFrame(settings).fillna("unset")
    names = pd.Series("", table.index)
    for title, group in table.groupby("title"):
        varied = [column for column in group if group[column].nunique() > 1]
        for row, values in group[varied].iterrows():
            differences = [f"{name} {value}" for name, value in values.items()]
            names[row] = ", ".join([str(title), *differences])
    return names
