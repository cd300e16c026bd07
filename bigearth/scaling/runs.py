"""What training runs measured, read from their folders: epochs, parts of a step, accuracy, and what is amiss."""

import json
import re
from pathlib import Path

import pandas as pd

from bigearth.errors import InputError
from bigearth.scores import metrics, predictions

PARTS = {"input_s": "input", "compute_s": "forward and backward", "allreduce_s": "communication not hidden"}
HISTORY = {"epoch", "val_f1", "seconds", "images", "validation_seconds"}
TIMINGS = {"epoch", "step", "rank", "step_s", *PARTS}
RECORD = ("parameters", "workers", "machine", "wall_seconds", "gpu_hours")
# may differ within one experiment; all other parameters of a training set it apart
FREE = {"run", "workdir", "results", "workers", "batch_size", "seed"}


def collect(workdir, runs=()):
    """One row per training run, from its history, timings, provenance and predictions.

    Parameters
    ----------
    workdir : Path
        Runs are folders ``runs/<run>`` below it.
    runs : sequence of str
        Names, also of several runs (``rgb`` for ``rgb-n2-s1``, ``rgb-n2-s2`` ...); empty: all that are there. A run
        that is named twice counts once.

    Returns
    -------
    DataFrame
        What was run: ``experiment`` is equal for runs that differ in nothing but workers, nodes, batch and seed, and
        names, beside network, optimizer and epochs, what sets it apart from the others; ``epoch_s``, the training time
        of an epoch (median of the epochs after the first: that one and the first after each resumption hold the tracing
        of the graph); ``validation_s, startup_s, images_s, gpu_hours``; ``f1`` (``f1_split`` says of which split);
        ``remarks``, what is wrong with the run, as text, empty where nothing is. ``attrs["left_out"]`` names the runs
        that are there but not finished: only a finished run says on what it ran.

    Raises
    ------
    InputError
        A named run is missing, a file of it cannot be read, or none of the runs is finished.
    """
    folder = Path(workdir) / "runs"
    there = sorted(path.name for path in folder.glob("*/") if path.is_dir())
    finished = [name for name in there if (folder / name / "provenance.json").exists()]
    named = dict.fromkeys(name for run in runs or there for name in _named(run, there, folder))
    whole = [name for name in named if name in finished]
    if not whole:
        raise InputError(
            f"runs: {folder} holds no finished run of those asked for; run 03_training first, or set measure"
        )
    rows, settings = zip(*(_read(folder / run) for run in whole), strict=True)
    table = pd.DataFrame(rows)
    table.insert(1, "experiment", _experiments(settings))
    table.attrs["left_out"] = sorted(set(named) - set(whole))
    return table


def _named(run, there, folder):
    """The run, or those of a study's matrix: the name with node counts and seeds behind it."""
    found = [run] if run in there else [n for n in there if re.fullmatch(re.escape(run) + r"(-n\d+)?(-s\d+)?", n)]
    if not found:
        raise InputError(f"runs: {folder / run} is missing: train it first, or correct its name")
    return found


def _experiments(settings):
    """A text for each run; equal only where all settings are."""
    table = pd.DataFrame([{name: str(value) for name, value in one.items()} for one in settings]).fillna("unset")
    texts = pd.Series("", table.index)
    for title, group in table.groupby("title"):
        varied = group.loc[:, group.nunique() > 1]
        texts[group.index] = [
            ", ".join([title, *(f"{name} {value}" for name, value in row.items())]) for row in varied.to_dict("records")
        ]
    return texts


def _read(run):
    record, history = _json(run / "provenance.json"), _csv(run / "history.csv", HISTORY)
    if missing := [name for name in RECORD if name not in record]:
        raise InputError(f"{run / 'provenance.json'} lacks {', '.join(missing)}: train the run again")
    p, workers, machine = record["parameters"], record["workers"], record["machine"]
    known = ("bands", "width", "blocks", "epochs", "batch_size", "seed", "optimizer", "schedule")
    if missing := [name for name in known if name not in p]:
        raise InputError(f"{run / 'provenance.json'} lacks the parameters {', '.join(missing)}: train the run again")
    if history.empty:
        raise InputError(f"{run / 'history.csv'} holds no epoch: train the run again")
    seconds, first = history["seconds"], history["epoch"].iloc[0]
    later = seconds[1:] if len(seconds) > 1 else seconds
    remarks = []
    if len(history) < p["epochs"]:
        remarks.append(f"history.csv holds {len(history)} of {p['epochs']} epochs")
    if list(history["epoch"]) != list(range(first, first + len(history))):
        remarks.append("epochs missing in history.csv")
    if len(seconds) == 1:
        remarks.append("one epoch: holds the tracing of the graph")
    remarks += gaps(run, workers, history["epoch"])
    split, f1 = _f1(run, history)
    bands = p["bands"] if isinstance(p["bands"], str) else " ".join(p["bands"])
    wall, apart = record["wall_seconds"], seconds.sum() + history["validation_seconds"].sum()
    if "checkpoint_seconds" in history:
        apart += history["checkpoint_seconds"].sum()
    hardware = machine.get("gpu") or machine.get("processor") or "unknown"
    network = f"{bands}, width {p['width']}, blocks {'-'.join(str(n) for n in p['blocks'])}"
    settings = {name: value for name, value in p.items() if name not in FREE} | {"machine": hardware}
    return {
        "run": run.name,
        "machine": hardware,
        "workers": workers,
        "nodes": machine.get("nodes", 1),
        "batch_size": p["batch_size"],
        "global_batch": p["batch_size"] * workers,
        "seed": p["seed"],
        "epochs": len(history),
        "images": int(history["images"].iloc[-1]),
        "epoch_s": later.median(),
        "validation_s": history["validation_seconds"].mean(),
        "startup_s": max(wall - apart, 0.0) + (seconds[0] - later.median()),
        "total_s": wall,
        "images_s": history["images"].iloc[-1] / later.median(),
        "gpu_hours": record["gpu_hours"],
        "f1": f1,
        "f1_split": split,
        "remarks": "; ".join(remarks),
    }, settings | {"title": f"{network}, {p['optimizer']}, {p['schedule']}, {p['epochs']} epochs"}


def _f1(run, history):
    """Micro F1 of the test split where there is one, else of the last validation."""
    if (run / "predictions.h5").exists():
        test = predictions.read_predictions(run / "predictions.h5").part("test")
        if len(test.truth):
            counts = metrics.counts(test.truth, metrics.decide(test.score))
            return "test", float(metrics.precision_recall_f1(counts, "micro")[2])
    return "validation", float(history["val_f1"].iloc[-1])


def gaps(run, workers, epochs):
    """What is missing or impossible in a run's ``timings.csv``, as a list of remarks."""
    path = Path(run) / "timings.csv"
    if not path.exists():
        return ["no timings.csv"]
    timings = _csv(path, TIMINGS)
    if timings.empty:
        return ["timings.csv is empty"]
    remarks = []
    ranks = set(timings["rank"])
    if ranks != set(range(workers)):
        remarks.append(f"timings of ranks {sorted(ranks)} of {workers}")
    elif timings.groupby(["epoch", "step"])["rank"].nunique().lt(workers).any():
        remarks.append("timings with gaps: not every rank in every sampled step")
    if lost := sorted(set(epochs) - set(timings["epoch"])):
        remarks.append(f"timings without epochs {lost}")
    if timings.groupby("epoch")["step"].nunique().nunique() > 1:
        remarks.append("timings with gaps: not as many sampled steps in every epoch")
    if (timings[["step_s", *PARTS]] < 0).any(axis=None):
        remarks.append("timings with negative times")
    if timings[["step_s", *PARTS]].isna().any(axis=None):
        remarks.append("timings with empty fields")
    return remarks


def parts(workdir, runs):
    """Parts of a step per run, in seconds: mean of an epoch's steps, median of the epochs after the first.

    Parameters
    ----------
    runs : DataFrame
        From :func:`collect`; runs without timings are left out (their remark says so).

    Returns
    -------
    DataFrame
        ``run, workers, nodes, input, forward and backward, communication not hidden, update, step``; ``validation``, an
        epoch's divided by its steps; and ``noise``: the standard deviation over the mean of one rank's compute time.
    """
    rows = []
    for run in runs.itertuples():
        path = Path(workdir) / "runs" / run.run / "timings.csv"
        timings = _csv(path, TIMINGS) if path.exists() else pd.DataFrame()
        if timings.empty:
            continue
        if timings["epoch"].nunique() > 1:
            timings = timings[timings["epoch"] > timings["epoch"].min()]
        mean = timings.groupby("epoch")[["step_s", *PARTS]].mean().median()
        alone = timings.groupby(["epoch", "rank"])["compute_s"]
        rows.append(
            {"run": run.run, "workers": run.workers, "nodes": run.nodes}
            | {title: mean[column] for column, title in PARTS.items()}
            | {
                "update": mean["step_s"] - mean[list(PARTS)].sum(),
                "step": mean["step_s"],
                "validation": run.validation_s * run.global_batch / run.images,
                "noise": (alone.std() / alone.mean()).median(),
            }
        )
    columns = ["run", "workers", "nodes", *PARTS.values(), "update", "step", "validation", "noise"]
    return pd.DataFrame(rows, columns=columns)


def _json(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: the run was not finished, or its name is not in runs") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: train the run again") from error


def _csv(path, columns):
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: the run was not finished, or its name is not in runs") from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise InputError(f"{path} cannot be read ({error}): train the run again") from error
    if missing := columns - set(table.columns):
        raise InputError(f"{path} lacks the columns {', '.join(sorted(missing))}: train the run again")
    return table
