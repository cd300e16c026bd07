"""What training runs measured, read from their folders: epochs, parts of a step, accuracy, and what is amiss."""

import json
import re
from pathlib import Path

import pandas as pd

from bigearth import predictions, scores
from bigearth.errors import InputError

PARTS = {"input_s": "input", "compute_s": "forward and backward", "allreduce_s": "communication not hidden"}
HISTORY = {"epoch", "val_f1", "seconds", "images", "validation_seconds"}
TIMINGS = {"epoch", "step", "rank", "step_s", *PARTS}


def collect(workdir, runs=()):
    """One row per training run, from its history, timings, provenance and predictions.

    Parameters
    ----------
    workdir : Path
        Runs are folders ``runs/<run>`` below it.
    runs : sequence of str
        Names, also of several runs (``rgb`` for ``rgb-n2-s1``, ``rgb-n2-s2`` ...); empty: all that are there.

    Returns
    -------
    DataFrame
        What was run; ``epoch_s``, the training time of an epoch (mean of the epochs after the first, which holds the
        tracing of the graph); ``validation_s, startup_s, images_s, gpu_hours``; ``f1`` (``f1_split`` says of which
        split); ``remarks``, what is wrong with the run, as text, empty where nothing is. ``attrs["left_out"]`` names
        the runs that were found but not finished.

    Raises
    ------
    InputError
        A named run is missing or not finished, a file of it cannot be read, or there is no finished run at all.
    """
    folder = Path(workdir) / "runs"
    there = sorted(path.name for path in folder.glob("*/") if path.is_dir())
    finished = [name for name in there if (folder / name / "provenance.json").exists()]
    if not runs and not finished:
        raise InputError(f"runs: {folder} holds no finished run; run 03_training first, or set measure")
    named = [name for run in runs for name in ([run] if run in there else _variants(run, there) or [run])]
    table = pd.DataFrame([_read(folder / run) for run in named or finished])
    table.attrs["left_out"] = [] if runs else sorted(set(there) - set(finished))
    return table


def _variants(run, there):
    """Runs of a study's matrix: the name with node counts and seeds behind it."""
    return [name for name in there if re.fullmatch(re.escape(run) + r"(-n\d+)?(-s\d+)?", name)]


def _read(run):
    record, history = _json(run / "provenance.json"), _csv(run / "history.csv", HISTORY)
    p, workers, machine = record["parameters"], record["workers"], record["machine"]
    seconds, first = history["seconds"], history["epoch"].iloc[0]
    later = seconds[1:] if len(seconds) > 1 else seconds
    remarks = []
    if len(history) < p["epochs"]:
        remarks.append(f"interrupted after {len(history)} of {p['epochs']} epochs")
    if list(history["epoch"]) != list(range(first, first + len(history))):
        remarks.append("epochs missing in history.csv")
    if len(seconds) == 1:
        remarks.append("one epoch: holds the tracing of the graph")
    remarks += gaps(run, workers)
    split, f1 = _f1(run, history)
    bands = p["bands"] if isinstance(p["bands"], str) else " ".join(p["bands"])
    wall = record["wall_seconds"]
    return {
        "run": run.name,
        "model": f"{bands}, width {p['width']}, blocks {'-'.join(str(n) for n in p['blocks'])}",
        "cube": str(p["cube"]),
        "precision": p["precision"],
        "machine": machine.get("gpu") or machine["processor"],
        "optimizer": f"{p['optimizer']}, {p['schedule']}",
        "workers": workers,
        "nodes": machine.get("nodes", 1),
        "batch_size": p["batch_size"],
        "global_batch": p["batch_size"] * workers,
        "seed": p["seed"],
        "epochs": len(history),
        "images": int(history["images"].iloc[-1]),
        "epoch_s": later.mean(),
        "validation_s": history["validation_seconds"].mean(),
        "startup_s": max(wall - seconds.sum() - history["validation_seconds"].sum(), 0.0) + (seconds[0] - later.mean()),
        "total_s": wall,
        "images_s": history["images"].iloc[-1] / later.mean(),
        "gpu_hours": record["gpu_hours"],
        "f1": f1,
        "f1_split": split,
        "remarks": "; ".join(remarks),
    }


def _f1(run, history):
    """Micro F1 of the test split where there is one, else of the last validation."""
    if (run / "predictions.h5").exists():
        test = predictions.read_predictions(run / "predictions.h5").part("test")
        if len(test.truth):
            counts = scores.counts(test.truth, scores.decide(test.score))
            return "test", float(scores.precision_recall_f1(counts, "micro")[2])
    return "validation", float(history["val_f1"].iloc[-1])


def gaps(run, workers):
    """What is missing in a run's ``timings.csv``, as a list of remarks."""
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
    if timings[["step_s", *PARTS]].isna().any(axis=None):
        remarks.append("timings with empty fields")
    return remarks


def parts(workdir, runs):
    """Mean parts of a step per run, in seconds, without the first epoch where there are more.

    Parameters
    ----------
    runs : DataFrame
        From :func:`collect`; runs without timings are left out (their remark says so).

    Returns
    -------
    DataFrame
        ``run, workers, nodes, input, forward and backward, communication not hidden, update, step``, and ``noise``: the
        standard deviation over the mean of one rank's compute time.
    """
    rows = []
    for run in runs.itertuples():
        path = Path(workdir) / "runs" / run.run / "timings.csv"
        timings = _csv(path, TIMINGS) if path.exists() else pd.DataFrame()
        if timings.empty:
            continue
        if timings["epoch"].nunique() > 1:
            timings = timings[timings["epoch"] > timings["epoch"].min()]
        mean = timings[["step_s", *PARTS]].mean()
        ranks = timings.groupby("rank")["compute_s"]
        rows.append(
            {"run": run.run, "workers": run.workers, "nodes": run.nodes}
            | {title: mean[column] for column, title in PARTS.items()}
            | {
                "update": mean["step_s"] - mean[list(PARTS)].sum(),
                "step": mean["step_s"],
                "noise": (ranks.std() / ranks.mean()).mean(),
            }
        )
    columns = ["run", "workers", "nodes", *PARTS.values(), "update", "step", "noise"]
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
