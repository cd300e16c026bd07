"""The files of a run, written, and read back with checks: history, timings, checkpoint, record. Needs no TensorFlow.

A run is a folder ``<workdir>/runs/<run>``: ``history.csv``, ``timings.csv``, ``checkpoints/``, ``tensorboard/``, and,
when it is finished, ``model.keras``, ``predictions.h5`` and ``provenance.json``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bigearth import outside, tables
from bigearth.cube.reading import Cube
from bigearth.errors import InputError
from bigearth.files import resolve, set_aside, write_whole
from bigearth.training import checkpoints

# Columns of history.csv, one line per epoch: learning rate of the last step, losses, F1, times (s) and patches.
HISTORY: dict[str, type] = {
    "epoch": int,
    "learning_rate": float,
    "loss": float,
    "val_loss": float,
    "val_f1": float,
    "seconds": float,
    "images": int,
    "validation_seconds": float,
}
# Columns of timings.csv, one line per sampled step and rank; times in s.
TIMED_PARTS = ("input_s", "compute_s", "allreduce_s")
TIMINGS: dict[str, type] = {
    "epoch": int,
    "step": int,
    "rank": int,
    **dict.fromkeys(TIMED_PARTS, float),
    "step_s": float,
}
TIMINGS_HEADER = ",".join(TIMINGS).encode()
# What a finished run returns and records.
RESULT: dict[str, Any] = {
    "run": str,
    "workers": int,
    "epochs": int,
    "val_f1": float,
    "test_f1": float,
    "checksum": str,
    "scored": dict[str, str],
    "without_positive": list[str],
}
# Types of a checkpoint's state, apart from the variables.
STATE: dict[str, Any] = {"epoch": int, "history": list[dict], "seconds": float, "parameters": dict}
# How far a training is that runs: rank 0 notes it, the notebook reads it; hidden, since it is no result.
NOTE = ".progress.json"
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NEW_NAME = "choose another name for the run"
FINISHED_FILES = ("provenance.json", "predictions.h5", "model.keras")


@dataclass(frozen=True)
class Earlier:
    """An earlier run of the same name: the result of a finished one, or a checkpoint and its state, or neither."""

    result: dict[str, Any] | None = None
    checkpoint: Path | None = None
    state: dict[str, Any] | None = None


def find_folder(workdir: Path | str, run: str) -> Path:
    """Find the folder of a run, ``<workdir>/runs/<run>``.

    Raises
    ------
    InputError
        The name is empty, or could lead out of the folder.
    """
    if not isinstance(run, str) or not RUN_NAME.fullmatch(run):
        raise InputError(f"run is {run!r}: give letters, digits, '.', '_' and '-', beginning with a letter or digit")
    return resolve(workdir) / "runs" / run


def describe_data(cube: Cube) -> dict[str, Any]:
    """Describe the data of a run for its record: {classes, patches by split, selection}."""
    return {
        "classes": len(cube.labels),
        "patches": {split: len(rows) for split, rows in cube.rows.items()},
        "selection": cube.attributes.get("selection"),
    }


def read_earlier(folder: Path, parameters: dict[str, Any], trained_on: dict[str, Any], cube: Path) -> Earlier:
    """Read what an earlier run of this name has left.

    Parameters
    ----------
    folder : Path
    parameters : dict
        What is asked for now.
    trained_on : dict
        Of the cube now; see `describe_data`.
    cube : Path
        For messages.

    Returns
    -------
    Earlier

    Raises
    ------
    InputError
        The earlier run had other parameters, was trained on another cube, or its record holds impossible values.
    """
    if all((folder / name).exists() for name in FINISHED_FILES):
        record = read_record(folder)
        earlier = Earlier(result=record["result"])
        before, on = record["parameters"], record.get("trained_on")
    else:
        earlier = find_checkpoint(folder)
        if earlier.state is None:
            return earlier
        before, on = earlier.state["parameters"], earlier.state.get("trained_on")
    changed = []
    for name, value in parameters.items():
        if name not in ("workdir", "cube") and before.get(name) != value:
            changed.append(f"{name} = {before.get(name)!r}, now {value!r}")
    if changed:
        raise InputError(f"run {folder.name} exists with {'; '.join(changed)}: {NEW_NAME}")
    if on and on != trained_on:
        raise InputError(_describe_other_cube(folder.name, on, trained_on, cube))
    return earlier


def _describe_other_cube(run: str, before: dict[str, Any], now: dict[str, Any], cube: Path) -> str:
    was = f"{before.get('classes')} classes and {before.get('patches')} patches"
    has = f"{now['classes']} classes and {now['patches']} patches"
    if was == has:
        was = "another choice of patches"
    return f"run {run} was trained on a cube with {was}, {cube} has {has}: {NEW_NAME}"


def read_record(folder: Path) -> dict[str, Any]:
    """Read the ``provenance.json`` of a finished run.

    Raises
    ------
    InputError
        The record is damaged, or holds a result that no training can have.
    """
    path = folder / "provenance.json"
    remedy = f"restore it, or {NEW_NAME}"
    record = outside.read_json(path, "record", remedy)
    outside.check_types(record, {"result": dict, "parameters": dict}, f"record {path}", remedy)
    outside.check_types(record["result"], RESULT, f"record {path}", remedy)
    for name in ("val_f1", "test_f1"):
        value = record["result"][name]
        if not 0 <= value <= 1:
            raise InputError(f"record {path}: {name} is {value}, not between 0 and 1: {remedy}")
    return record


def find_checkpoint(folder: Path) -> Earlier:
    """Find the newest checkpoint that is whole; damaged ones are named and passed over."""
    for path in checkpoints.list_checkpoints(folder / "checkpoints"):
        try:
            state = checkpoints.read_state(path)
            _check_state(state, path)
            return Earlier(checkpoint=path, state=state)
        except Exception as error:  # a damaged zip file can raise nearly anything
            print(f"checkpoint {path} is damaged ({error}): looking for the one before it", flush=True)
    return Earlier()


def _check_state(state: dict[str, Any], path: Path) -> None:
    """Raise InputError if no training can have left this state."""
    outside.check_types(state, STATE, "its state", "not used")
    for line in state["history"]:
        outside.check_types(line, HISTORY, "its history", "not used")
        if not 0 <= line["val_f1"] <= 1 or line["seconds"] < 0 or line["validation_seconds"] < 0:
            raise InputError(f"its history has val_f1 {line['val_f1']}, {line['seconds']} s")
    epochs = [line["epoch"] for line in state["history"]]
    if epochs != list(range(1, state["epoch"] + 1)):
        raise InputError(f"its history has epochs {epochs}, its state epoch {state['epoch']}")
    if path.stem != f"epoch-{state['epoch']:04d}":
        raise InputError(f"its state names epoch {state['epoch']}")
    planned = state["parameters"].get("epochs", 0)
    if state["epoch"] > planned:
        raise InputError(f"its state names epoch {state['epoch']} of {planned}")


def start_tables(folder: Path, state: dict[str, Any]) -> None:
    """Bring ``history.csv`` and ``timings.csv`` to the state of the checkpoint; empty where there is none.

    Without a checkpoint, a folder that holds more than a training leaves in its first epoch is kept aside.
    """
    if not state["epoch"] and holds_files(folder):
        print(
            f"{folder} holds no whole checkpoint: kept as {set_aside(folder).name}, training from the start", flush=True
        )
    timings = pd.DataFrame(columns=list(TIMINGS))
    path = folder / "timings.csv"
    if state["epoch"] and path.exists():
        try:
            timings = tables.read_csv(path, TIMINGS, "timings")
        except InputError as error:
            kept = set_aside(path)
            print(f"{error}; kept as {kept.name}, the times of epochs 1 to {state['epoch']} are lost", flush=True)
    write_table(path, timings[timings["epoch"] <= state["epoch"]])
    if state["history"]:  # a kill may have come between the checkpoint and its line
        write_table(folder / "history.csv", pd.DataFrame(state["history"]))


def holds_files(folder: Path) -> bool:
    """Whether a folder holds more than the ``timings.csv`` with which a training begins; hidden files do not count."""
    for path in folder.rglob("*"):
        if path.is_dir() or path.name.startswith("."):
            continue
        if path != folder / "timings.csv" or path.read_bytes()[:200].split(b"\n")[0] != TIMINGS_HEADER:
            return True
    return False


def append_timings(folder: Path, rows: Any) -> None:
    """Append the sampled steps of an epoch to ``timings.csv``: array (steps, columns of `TIMINGS`)."""
    table = pd.DataFrame(rows, columns=list(TIMINGS)).astype(TIMINGS)
    table.to_csv(folder / "timings.csv", mode="a", header=False, index=False)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    with write_whole(path) as partial:
        table.to_csv(partial, index=False)
