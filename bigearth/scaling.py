"""What training runs measured: times of epochs and steps over workers, speed-up, efficiency, accuracy against batch."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from bigearth import engines, predictions, scores
from bigearth.errors import InputError

# runs that differ in one of these are different experiments: never in one series
GROUP = ["model", "cube", "precision", "machine", "optimizer"]
PARTS = {"input_s": "input", "compute_s": "forward and backward", "allreduce_s": "communication not hidden"}
HISTORY = {"epoch", "val_f1", "seconds", "images", "validation_seconds"}
TIMINGS = {"epoch", "step", "rank", "step_s", *PARTS}


def speedups(workers, seconds):
    """Speed-up, parallel efficiency and Karp-Flatt serial fraction against the smallest number of workers.

    Parameters
    ----------
    workers, seconds : array-like, ordered by workers

    Returns
    -------
    DataFrame
        ``speedup``, ``efficiency`` (speed-up over the ratio of workers) and ``karp_flatt``: the experimentally
        determined serial fraction (Karp and Flatt 1990), below zero where the speed-up is more than linear; undefined at
        the first point.
    """
    seconds, ratio = np.asarray(seconds, float), np.asarray(workers, float) / np.asarray(workers, float)[0]
    speedup = seconds[0] / seconds
    with np.errstate(divide="ignore", invalid="ignore"):
        serial = (1 / speedup - 1 / ratio) / (1 - 1 / ratio)
    return pd.DataFrame(
        {"speedup": speedup, "efficiency": speedup / ratio, "karp_flatt": np.where(ratio > 1, serial, np.nan)}
    )


def collect(workdir, runs=()):
    """One row per training run, from its history, timings, provenance and predictions.

    Parameters
    ----------
    workdir : Path
        Runs are folders ``runs/<run>`` below it.
    runs : sequence of str
        Names; empty: all that are there.

    Returns
    -------
    DataFrame
        What was run; ``epoch_s``, the training time of an epoch (mean of the epochs after the first, which holds the
        tracing of the graph); ``validation_s, startup_s, images_s, gpu_hours``; ``f1`` (``f1_split`` says of which
        split); and ``flags``: what is wrong with the run, as text, empty where nothing is. ``attrs["left_out"]`` names
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
    table = pd.DataFrame([_read(folder / run) for run in runs or finished])
    table.attrs["left_out"] = [] if runs else sorted(set(there) - set(finished))
    return table


def _read(run):
    record, history = _json(run / "provenance.json"), _csv(run / "history.csv", HISTORY)
    p, workers, machine = record["parameters"], record["workers"], record["machine"]
    seconds, first = history["seconds"], history["epoch"].iloc[0]
    later = seconds[1:] if len(seconds) > 1 else seconds
    flags = []
    if len(history) < p["epochs"]:
        flags.append(f"interrupted after {len(history)} of {p['epochs']} epochs")
    if list(history["epoch"]) != list(range(first, first + len(history))):
        flags.append("epochs missing in history.csv")
    if len(seconds) == 1:
        flags.append("one epoch: holds the tracing of the graph")
    flags += gaps(run, workers)
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
        "flags": "; ".join(flags),
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
        From :func:`collect`; runs without timings are left out (their flag says so).

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


def series(runs):
    """Scaling series: runs of one experiment over growing numbers of workers, repeats averaged.

    Weak: the batch per worker is the same (the paper's experiment: the time of a step would stay, that of an epoch
    falls). Strong: the global batch is the same. Runs of a series agree in all of ``GROUP``; others get their own.

    Parameters
    ----------
    runs : DataFrame
        From :func:`collect`.

    Returns
    -------
    DataFrame
        One row per series and number of workers: ``series`` (text), ``scaling, workers, nodes, repeats, epoch_s,
        deviation`` (over repeats)``, speedup, efficiency, karp_flatt, images_s, gpu_hours`` (of one epoch; where there is
        no GPU, hours of a worker)``, f1, f1_sd, flags``.
    """
    tables = []
    for scaling, fixed in (("weak", "batch_size"), ("strong", "global_batch")):
        for key, group in runs.groupby([*GROUP, fixed], sort=False):
            if scaling == "strong" and group["workers"].nunique() < 2:
                continue  # the weak series shows a single point already
            points = [_point(*item) for item in group.groupby(["workers", "nodes"])]
            table = pd.DataFrame(points)
            per = "per worker" if scaling == "weak" else "in all"
            label = f"{key[0]}, {key[-2].split(',')[0]}, batch {key[-1]} {per}"
            table.insert(0, "series", label)
            table.insert(1, "scaling", scaling)
            table = table.join(speedups(table["workers"], table["epoch_s"]))
            if len(table) == 1:
                table["flags"] = [_join(table["flags"].iloc[0], "single point: no speed-up")]
                table[["speedup", "efficiency"]] = np.nan
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _point(key, group):
    return {
        "workers": key[0],
        "nodes": key[1],
        "repeats": len(group),
        "epoch_s": group["epoch_s"].mean(),
        "deviation": group["epoch_s"].std(),
        "images_s": group["images_s"].mean(),
        "gpu_hours": key[0] * group["epoch_s"].mean() / 3600,
        "startup_s": group["startup_s"].mean(),
        "total_s": group["total_s"].mean(),
        "f1": group["f1"].mean(),
        "f1_sd": group["f1"].std(),
        "flags": _join(*(f"{run.run}: {run.flags}" for run in group.itertuples() if run.flags)),
    }


def measure(counts, launcher, batch_size, watch=None, **training):
    """Train briefly on each number of workers, with a constant batch per worker and with a constant global batch.

    Parameters
    ----------
    counts : sequence of int
        Numbers of workers.
    launcher : str
        See ``bigearth.engines.start``.
    batch_size : int
        Per worker; of the strong series: that of the smallest count, divided.
    **training
        Of ``bigearth.training.train``.

    Returns
    -------
    list of str
        Names of the runs.
    """
    names, runs = [], Path(training["workdir"]) / "runs"
    for count in sorted(counts):
        share, rest = divmod(batch_size * min(counts), count)
        batches = [batch_size] if rest or share == batch_size else [batch_size, share]
        with engines.start(count, launcher) as group:
            for batch in batches:
                names.append(f"scaling-w{count}-b{batch}")
                shutil.rmtree(runs / names[-1], ignore_errors=True)  # else a finished run would not be measured again
                group.run(train, watch=watch, share=max(counts), run=names[-1], batch_size=batch, **training)
    return names


def train(share, **parameters):
    """``bigearth.training.train``, imported where it runs, on a worker: the notebook needs no TensorFlow.

    Without GPUs a worker keeps to the share of the cores that it has among the most workers: with all of them one worker
    would be as fast as many, and nothing could be learnt.
    """
    if not shutil.which("nvidia-smi") and share > 1:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[: max(1, os.cpu_count() // share)])
    from bigearth import training

    return training.train(**parameters)


def _join(*texts):
    return "; ".join(text for text in texts if text)


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
