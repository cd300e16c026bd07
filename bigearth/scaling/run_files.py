"""The files that a training run leaves, read and checked: provenance.json, history.csv, timings.csv."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bigearth import outside, tables
from bigearth.errors import InputError
from bigearth.training.records import HISTORY, TIMINGS

# how the timed parts of a step are called in tables, by their columns in timings.csv
STEP_PARTS = {
    "input_s": "input",
    "compute_s": "forward and backward",
    "allreduce_s": "communication not hidden",
}
SECONDS_COLUMNS = ("step_s", *STEP_PARTS)
# between what the values in history.csv lie
HISTORY_LIMITS = {
    "epoch": (1, np.inf),
    "val_f1": (0, 1),
    "seconds": (1e-9, np.inf),
    "images": (1, np.inf),
    "validation_seconds": (0, np.inf),
}
RECORD_TYPES = {"parameters": dict, "workers": int, "machine": dict, "wall_seconds": float, "gpu_hours": float}
PARAMETER_TYPES = {
    "bands": str | list[str],
    "width": int,
    "blocks": list[int],
    "epochs": int,
    "batch_size": int,
    "seed": int,
    "optimizer": str,
    "schedule": str,
}
REMEDY = "leave the run out of `runs`, or train it under another name"


@dataclass(frozen=True)
class RunRecord:
    """Content of a finished run's ``provenance.json``.

    Attributes
    ----------
    parameters : dict
        Of the training.
    workers, nodes : int
    hardware : str
        The GPU's name, or the processor's where there was none.
    wall_seconds, gpu_hours : float
    """

    parameters: dict[str, Any]
    workers: int
    nodes: int
    hardware: str
    wall_seconds: float
    gpu_hours: float


def read_record(run: Path) -> RunRecord:
    """Read and check ``provenance.json`` of a run's folder.

    Raises
    ------
    InputError
        The file cannot be read, lacks an entry, or an entry has a value that no training can have.
    """
    path = run / "provenance.json"
    record = outside.read_json(path, "provenance", REMEDY)
    outside.check_types(record, RECORD_TYPES, str(path), REMEDY)
    parameters, machine = record["parameters"], record["machine"]
    outside.check_types(parameters, PARAMETER_TYPES, f"{path}, parameters", REMEDY)
    nodes = machine.get("nodes", 1)
    if type(nodes) is not int:
        raise InputError(f"{path}: nodes is {nodes!r}, not a whole number: {REMEDY}")
    at_least_one = {name: parameters[name] for name in ("width", "epochs", "batch_size")}
    at_least_one |= {"workers": record["workers"], "nodes": nodes}
    for name, value in at_least_one.items():
        if value < 1:
            raise InputError(f"{path}: {name} is {value}, not a number from 1 on: {REMEDY}")
    for name in ("wall_seconds", "gpu_hours"):
        if record[name] < 0:
            raise InputError(f"{path}: {name} is {record[name]}, a negative number: {REMEDY}")
    hardware = machine.get("gpu") or machine.get("processor") or "unknown"
    return RunRecord(
        parameters, record["workers"], nodes, str(hardware), float(record["wall_seconds"]), float(record["gpu_hours"])
    )


def read_history(run: Path) -> pd.DataFrame:
    """Read and check ``history.csv`` of a run's folder: one row per epoch.

    Raises
    ------
    InputError
        The file cannot be read, holds no epoch, or a value is missing or impossible.
    """
    path = run / "history.csv"
    history = tables.read_csv(path, HISTORY, "history")
    if history.empty:
        raise InputError(f"{path} holds no epoch: {REMEDY}")
    for column, (lowest, highest) in HISTORY_LIMITS.items():
        possible = history[column].between(lowest, highest)
        if not possible.all():
            row = int(np.argmin(possible))
            raise InputError(f"{path}: {column} is {history[column][row]} in row {row + 1}: {REMEDY}")
    return history


def read_timings(run: Path) -> pd.DataFrame:
    """Read and check ``timings.csv`` of a run's folder: one row per rank and sampled step.

    Raises
    ------
    InputError
        The file cannot be read, or a value is missing, text, infinite or negative.
    """
    path = run / "timings.csv"
    timings = tables.read_csv(path, TIMINGS, "timings")
    if (timings[list(SECONDS_COLUMNS)] < 0).any(axis=None):
        raise InputError(f"{path} holds negative times: {REMEDY}")
    return timings


def find_timing_gaps(timings: pd.DataFrame, workers: int, epochs: pd.Series) -> list[str]:
    """List what is missing in the table of `read_timings`.

    Parameters
    ----------
    timings : DataFrame
    workers : int
        Ranks that must be there.
    epochs : Series of int
        Epochs that must be there.
    """
    if timings.empty:
        return ["timings.csv is empty"]
    problems = []
    ranks = sorted(timings["rank"].unique().tolist())
    if ranks != list(range(workers)):
        problems.append(f"timings of ranks {ranks} of {workers}")
    elif timings.groupby(["epoch", "step"])["rank"].nunique().lt(workers).any():
        problems.append("timings with gaps: not every rank in every sampled step")
    missing = sorted(set(epochs) - set(timings["epoch"]))
    if missing:
        problems.append(f"timings without epochs {missing}")
    if timings.groupby("epoch")["step"].nunique().nunique() > 1:
        problems.append("timings with gaps: not as many sampled steps in every epoch")
    return problems
