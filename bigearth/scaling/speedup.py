"""Scaling over workers: measuring it, series of comparable runs, speed-up and efficiency."""

import numpy as np
import pandas as pd


def speedups(workers, seconds):
    """Speed-up, parallel efficiency and Karp-Flatt serial fraction against the smallest number of workers.

    Parameters
    ----------
    workers, seconds : array-like, ordered by workers

    Returns
    -------
    DataFrame
        ``speedup``, ``efficiency`` (speed-up over the ratio of workers) and ``karp_flatt``: the experimentally
        determined serial fraction (Karp and Flatt 1990), below zero where the speed-up is more than linear, undefined
        at the first point.
    """
    seconds, ratio = np.asarray(seconds, float), np.asarray(workers, float) / np.asarray(workers, float)[0]
    speedup = seconds[0] / seconds
    with np.errstate(divide="ignore", invalid="ignore"):
        serial = (1 / speedup - 1 / ratio) / (1 - 1 / ratio)
    return pd.DataFrame(
        {"speedup": speedup, "efficiency": speedup / ratio, "karp_flatt": np.where(ratio > 1, serial, np.nan)}
    )


def series(runs):
    """Scaling series: runs of one experiment over growing numbers of workers, repeats averaged.

    Weak: the batch per worker is the same (the paper's experiment: the time of a step would stay, that of an epoch
    falls). Strong: the global batch is the same. Runs of different ``experiment`` are never in one series.

    Parameters
    ----------
    runs : DataFrame
        From :func:`bigearth.scaling.runs.collect`.

    Returns
    -------
    DataFrame
        One row per series and number of workers: ``series`` (text), ``scaling, workers, nodes, repeats, epoch_s,
        deviation`` (over repeats)``, images_s, worker_hours`` (of one epoch: GPU hours where each worker has a GPU)``,
        validation_s, startup_s, total_s, remarks, speedup, efficiency, karp_flatt``.
    """
    tables = []
    over = runs.groupby(["experiment", "global_batch"])["workers"].transform("nunique")
    strong = set(runs.loc[over > 1, "run"])
    for scaling, fixed in (("weak", "batch_size"), ("strong", "global_batch")):
        for (experiment, batch), group in runs.groupby(["experiment", fixed], sort=False):
            alone = group["workers"].nunique() < 2
            if alone and (scaling == "strong" or set(group["run"]) <= strong):
                continue  # a single point is shown once, and only where its run is in no other series
            points = [_point(*item) for item in group.groupby(["workers", "nodes"])]
            table = pd.DataFrame(points)
            per = "per worker" if scaling == "weak" else "in all"
            table.insert(0, "series", f"{experiment}, batch {batch} {per}")
            table.insert(1, "scaling", scaling)
            table = table.join(speedups(table["workers"], table["epoch_s"]))
            if len(table) == 1:
                table["remarks"] = [_join(table["remarks"].iloc[0], "single point: no speed-up")]
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
        "worker_hours": key[0] * group["epoch_s"].mean() / 3600,
        "validation_s": group["validation_s"].mean(),
        "startup_s": group["startup_s"].mean(),
        "total_s": group["total_s"].mean(),
        "remarks": _join(*(f"{run.run}: {run.remarks}" for run in group.itertuples() if run.remarks)),
    }


def _join(*texts):
    return "; ".join(text for text in texts if text)
