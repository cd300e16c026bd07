"""Scaling over workers: series of comparable runs, their speed-up and efficiency."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def compute_speedups(workers: ArrayLike, seconds: ArrayLike) -> pd.DataFrame:
    """Speed-up, parallel efficiency and Karp-Flatt serial fraction against the first point.

    Parameters
    ----------
    workers, seconds : array-like, ordered by workers

    Returns
    -------
    DataFrame
        ``speedup``, ``efficiency`` (speed-up over the ratio of workers) and ``karp_flatt``: the experimentally
        determined serial fraction (Karp and Flatt 1990), below zero where the speed-up is more than linear, NaN at the
        first point.
    """
    workers = np.asarray(workers, float)
    seconds = np.asarray(seconds, float)
    ratio = workers / workers[0]
    speedup = seconds[0] / seconds
    with np.errstate(divide="ignore", invalid="ignore"):
        serial = (1 / speedup - 1 / ratio) / (1 - 1 / ratio)
    return pd.DataFrame(
        {
            "speedup": speedup,
            "efficiency": speedup / ratio,
            "karp_flatt": np.where(ratio > 1, serial, np.nan),
        }
    )


def build_series(runs: pd.DataFrame) -> pd.DataFrame:
    """Group runs of one experiment into scaling series over growing numbers of workers, repeats averaged.

    Weak: the batch per worker is the same (the paper's experiment: the time of a step would stay, that of an epoch
    falls). Strong: the global batch is the same. Runs of different ``experiment`` are never in one series.

    Parameters
    ----------
    runs : DataFrame
        ``TrainingRuns.table`` of `bigearth.scaling.runs.collect_runs`.

    Returns
    -------
    DataFrame
        One row per series and number of workers: ``series`` (text), ``scaling, workers, nodes, repeats, epoch_s,
        deviation`` (over repeats), ``images_s, worker_hours`` (of one epoch: GPU hours where each worker has a GPU),
        ``validation_s, startup_s, total_s, remarks, speedup, efficiency, karp_flatt``.
    """
    counts = runs.groupby(["experiment", "global_batch"])["workers"].transform("nunique")
    in_strong_series = set(runs.loc[counts > 1, "run"])
    tables = []
    for scaling, equal, per in (("weak", "batch_size", "per worker"), ("strong", "global_batch", "in all")):
        for (experiment, batch), group in runs.groupby(["experiment", equal], sort=False):
            # a single point is shown once, and only where its run is in no other series
            single = group["workers"].nunique() < 2
            shown_elsewhere = scaling == "strong" or set(group["run"]) <= in_strong_series
            if single and shown_elsewhere:
                continue
            tables.append(_build_one_series(group, f"{experiment}, batch {batch} {per}", scaling))
    return pd.concat(tables, ignore_index=True)


def _build_one_series(group: pd.DataFrame, name: str, scaling: str) -> pd.DataFrame:
    points = []
    for (workers, nodes), repeats in group.groupby(["workers", "nodes"]):
        points.append(_average_repeats(workers, nodes, repeats))
    table = pd.DataFrame(points)
    table.insert(0, "series", name)
    table.insert(1, "scaling", scaling)
    table = table.join(compute_speedups(table["workers"], table["epoch_s"]))
    if len(table) == 1:
        table["remarks"] = [_join_remarks([table["remarks"][0], "single point: no speed-up"])]
        table[["speedup", "efficiency"]] = np.nan
    return table


def _average_repeats(workers: int, nodes: int, repeats: pd.DataFrame) -> dict[str, object]:
    """One point of a series: the mean of runs that differ in their seed only."""
    remarks = [f"{run}: {remark}" for run, remark in zip(repeats["run"], repeats["remarks"], strict=True) if remark]
    return {
        "workers": workers,
        "nodes": nodes,
        "repeats": len(repeats),
        "epoch_s": repeats["epoch_s"].mean(),
        "deviation": repeats["epoch_s"].std(),
        "images_s": repeats["images_s"].mean(),
        "worker_hours": workers * repeats["epoch_s"].mean() / 3600,
        "validation_s": repeats["validation_s"].mean(),
        "startup_s": repeats["startup_s"].mean(),
        "total_s": repeats["total_s"].mean(),
        "remarks": _join_remarks(remarks),
    }


def _join_remarks(remarks: list[str]) -> str:
    return "; ".join(remark for remark in remarks if remark)
