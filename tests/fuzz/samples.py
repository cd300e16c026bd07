"""Small true inputs that the kinds copy and break: an archive of each version, a cube, what a run leaves."""

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patch
from bigearth.cube.preprocessing import write_cube
from bigearth.miniature.archive import write_archive
from bigearth.patch import BANDS

PATCHES = 8


@cache
def home() -> Path:
    """A scratch folder of this process."""
    return Path(tempfile.mkdtemp(prefix="bigearth-fuzz-"))


def remove() -> None:
    shutil.rmtree(home(), ignore_errors=True)


@cache
def archive(version: int) -> Path:
    return write_archive(home() / f"archive-v{version}", patches=PATCHES, seed=7, version=version)


@cache
def index(version: int) -> pd.DataFrame:
    return read_index(archive(version), home() / f"index-v{version}")


@cache
def pixels(version: int) -> dict:
    """Patch name -> native pixels."""
    table = index(version)
    return {row.patch: read_patch(archive(version) / row.folder) for row in table.itertuples()}


def copy_archive(version: int, folder: Path) -> Path:
    """A copy of the archive that may be broken."""
    return Path(shutil.copytree(archive(version), folder / "archive", symlinks=True))


@cache
def cube() -> Path:
    path = home() / "cube.h5"
    write_cube(cube=path, archive=archive(1), workdir=home() / "cube-work", splits="random", seed=1)
    return path


@cache
def run() -> Path:
    """The folder of a finished run, as a training leaves it, without its network."""
    folder = home() / "work" / "runs" / "sample"
    folder.mkdir(parents=True)
    epochs, rng = 2, np.random.default_rng(3)
    pd.DataFrame(
        {
            "epoch": range(1, epochs + 1),
            "loss": 0.5,
            "val_loss": 0.4,
            "val_f1": [0.5, 0.6],
            "learning_rate": 0.1,
            "images": 64,
            "seconds": [2.0, 1.0],
            "val_seconds": 0.2,
        }
    ).to_csv(folder / "history.csv", index=False)
    labels = [f"label {i}" for i in range(43)]
    with h5py.File(folder / "predictions.h5", "w") as file:
        file.create_dataset("patch", data=np.array([f"p{i}" for i in range(20)], object), dtype=h5py.string_dtype())
        kinds = h5py.enum_dtype({"train": 0, "validation": 1, "test": 2}, basetype="u1")
        file.create_dataset("split", data=np.repeat([1, 2], 10).astype("u1"), dtype=kinds)
        file["truth"] = (rng.random((20, 43)) < 0.2).astype(np.uint8)
        file["score"] = rng.random((20, 43), dtype=np.float32)
        file.attrs.update(
            {
                "labels": labels, "nomenclature": 43, "miniature": True, "run": "sample", "bands": list(BANDS),
                "upsampling": "network", "epochs": epochs, "finished": True,
            }
        )  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps({"epochs": epochs}))
    return folder
