"""What a run writes: history, timings, and the comparison with an earlier run of its name."""

import json

import pandas as pd

from bigearth.errors import InputError
from bigearth.training import checkpoints

TIMINGS = ["epoch", "step", "rank", "input_s", "compute_s", "allreduce_s", "step_s"]


def read_earlier_run(folder, parameters, trained_on):
    """Result of the finished run, or else path and state of its newest checkpoint."""
    result, checkpoint, state = None, None, None
    if (folder / "provenance.json").exists() and (folder / "predictions.h5").exists():
        record = json.loads((folder / "provenance.json").read_text())
        result, before, on = record["result"], record["parameters"], record.get("trained_on")
    else:
        checkpoint, state = checkpoints.newest(folder / "checkpoints")
        before, on = (state["parameters"], state.get("trained_on")) if state else (parameters, None)
    now = {name: value for name, value in parameters.items() if name not in ("workdir", "cube")}
    changed = [f"{name} = {before.get(name)!r}, now {now[name]!r}" for name in now if before.get(name) != now[name]]
    if changed:
        raise InputError(f"run {folder.name} exists with {'; '.join(changed)}: choose another name, or remove {folder}")
    if on and on != trained_on:
        was, now = (f"{cube['classes']} classes and {cube['patches']} patches" for cube in (on, trained_on))
        was = "another choice of patches" if was == now else was
        raise InputError(
            f"run {folder.name} was trained on a cube with {was}, {parameters['cube']} has {now}: choose another name, "
            f"or remove {folder}"
        )
    return result, checkpoint, state


def start_timings(folder, epochs):
    """An empty timings.csv, or the one of the epochs that the checkpoint holds."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "timings.csv"
    table = pd.read_csv(path) if epochs and path.exists() else pd.DataFrame(columns=TIMINGS)
    write_table(path, table[table["epoch"] <= epochs])


def write_table(path, table):
    partial = path.with_name(f".{path.name}.partial")
    table.to_csv(partial, index=False)
    partial.replace(path)
