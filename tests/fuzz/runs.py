"""What a training leaves: history, timings, provenance and predictions, broken."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

from bigearth.scaling.runs import collect_runs
from bigearth.scores.predictions import read_predictions
from tests.fuzz import samples
from tests.fuzz.broken import DAMAGES, NO_FILES, damaged, put
from tests.fuzz.outcomes import Kind

DAMAGED_FILES = st.tuples(
    st.sampled_from(["history.csv", "timings.csv", "provenance.json", "predictions.h5"]), DAMAGES | NO_FILES
)
CELLS = st.tuples(
    st.sampled_from(["history.csv", "timings.csv"]),
    st.integers(0, 60),
    st.sampled_from(["nan", "inf", "-1", "", "x", "1e400", "0", "-0.5", "2", "True", "99"]),
)


def copy_run(folder: Path) -> Path:
    return Path(shutil.copytree(samples.run(), folder / "work" / "runs" / "sample"))


def collect_damaged(case: tuple, folder: Path) -> Any:
    name, damage = case
    path = copy_run(folder) / name
    put(path, damage) if isinstance(damage, str) else path.write_bytes(damaged(path.read_bytes(), damage))
    return collect_runs(folder / "work", ["sample"]).table.iloc[0].to_dict()


def collect_changed(case: tuple, folder: Path) -> Any:
    name, cell, value = case
    path = copy_run(folder) / name
    rows = [line.split(",") for line in path.read_text().splitlines()]
    body = [(i, j) for i in range(1, len(rows)) for j in range(len(rows[0]))]
    row, column = body[cell % len(body)]
    rows[row][column] = value
    path.write_text("\n".join(map(",".join, rows)) + "\n")
    return collect_runs(folder / "work", ["sample"]).table.iloc[0].to_dict()


def right_run(case: tuple, row: dict, folder: Path) -> bool | str:
    """Whether the figures are possible ones, and those of the whole run or accompanied by a remark."""
    truth = collect_runs(samples.run().parents[1], ["sample"]).table.iloc[0].to_dict()
    numbers = [value for value in row.values() if isinstance(value, float)]
    if any(np.isinf(numbers)) or not 0 <= row["f1"] <= 1 or not row["epoch_s"] > 0:
        return False
    if row["remarks"] or json.dumps(row, default=str) == json.dumps(truth, default=str):
        return True
    return "unknowable"  # one possible number in place of another: no checksum is kept of a run's tables


PREDICTIONS = st.one_of(
    st.tuples(st.just("bytes"), DAMAGES),
    st.tuples(st.just("score"), st.sampled_from([np.nan, np.inf, -0.1, 1.5])),
    st.tuples(st.just("truth"), st.sampled_from([2, 255])),
    st.tuples(st.just("split"), st.sampled_from([3, 255])),
    st.tuples(st.just("gone"), st.sampled_from(["patch", "split", "truth", "score"])),
    st.tuples(
        st.just("attribute"), st.sampled_from(["labels", "bands", "epochs", "finished", "nomenclature", "miniature"])
    ),
    st.tuples(st.just("twice"), st.just(0)),
    st.tuples(st.just("shape"), st.sampled_from(["truth", "score", "patch", "split"])),
)


def read_broken_predictions(case: tuple, folder: Path) -> Any:
    what, how = case
    path = folder / "predictions.h5"
    shutil.copy(samples.run() / "predictions.h5", path)
    if what == "bytes":
        path.write_bytes(damaged(path.read_bytes(), how))
    else:
        with h5py.File(path, "r+") as file:
            _change_predictions(file, what, how)
    return read_predictions(path)


def _change_predictions(file: h5py.File, what: str, how: Any) -> None:
    if what == "gone":
        del file[how]
    elif what == "attribute":
        del file.attrs[how]
    elif what == "twice":
        file["patch"][1] = file["patch"][0]
    elif what == "shape":
        part = file[how][:-1]
        del file[how]
        file[how] = part
    elif what == "split":
        codes = file["split"][:].astype("u1")
        del file["split"]
        codes[0] = how
        file["split"] = codes
    else:
        file[what][0, 0] = how


def right_predictions(case: tuple, result: Any, folder: Path) -> bool | str:
    truth = read_predictions(samples.run() / "predictions.h5")
    same = all(
        np.array_equal(getattr(result, name), getattr(truth, name)) for name in ("patch", "split", "truth", "score")
    )
    if same and result.labels == truth.labels:
        return True
    return "unknowable" if case[0] == "bytes" else False


KINDS = [
    Kind("file of a run, damaged", DAMAGED_FILES, collect_damaged, right_run, may_change=("work",)),
    Kind("cell of a run's table", CELLS, collect_changed, right_run, may_change=("work",)),
    Kind("predictions", PREDICTIONS, read_broken_predictions, right_predictions, may_change=("predictions.h5",)),
]
