"""Small true inputs that the kinds copy and break: an archive of each version, a cube, what a run leaves."""

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patch
from bigearth.cube.preprocessing import write_cube
from bigearth.files import ROOT
from bigearth.labels import LABELS_43
from bigearth.miniature.archive import write_archive
from bigearth.patch import BANDS
from bigearth.scores.sealing import BLOCK_BYTES, seal
from tests.archive import small_products
from tests.scaling.generated_runs import write_run

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
def product_pixels() -> dict:
    return small_products.pixels()


@cache
def product() -> Path:
    """A small Sentinel-2 product of nine patches, its bands as GeoTIFF."""
    return small_products.write_product(home() / "product", product_pixels(), suffix="tif")


@cache
def unfinished() -> Path:
    """The folder of a cube whose writing was killed half way: one slab of rows is journaled."""
    folder = home() / "killed"
    path = folder / "cube.h5"
    code = (
        "import os, signal, sys\n"
        "from bigearth.cube import preprocessing, writing\n"
        "preprocessing.SLAB = 2\n"
        "whole = os.write\n"
        "def write(file, data):\n"
        "    n = whole(file, data)\n"
        "    if b'written' in bytes(data): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return n\n"
        "os.write = write\n"
        "cube, archive, workdir = sys.argv[1:]\n"
        "preprocessing.write_cube(cube=cube, archive=archive, workdir=workdir, splits='random', seed=1)\n"
    )
    command = [sys.executable, "-c", code, str(path), str(archive(1)), str(folder / "work")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert ended.returncode == -9, ended.stderr.decode()[-2000:]
    return path.with_name("cube.h5.partial")


@cache
def run() -> Path:
    """The folder of a finished run, as a training leaves it, without its network."""
    folder = write_run(home() / "work", "sample", workers=2)
    rng = np.random.default_rng(3)
    with h5py.File(folder / "predictions.h5", "w", userblock_size=BLOCK_BYTES) as file:
        file.create_dataset("patch", data=np.array([f"p{i}" for i in range(20)], object), dtype=h5py.string_dtype())
        codes = h5py.enum_dtype({"train": 0, "validation": 1, "test": 2}, basetype="u1")
        file.create_dataset("split", data=np.repeat([1, 2], 10).astype("u1"), dtype=codes)
        file["truth"] = (rng.random((20, 43)) < 0.2).astype(np.uint8)
        file["score"] = rng.random((20, 43), dtype=np.float32)
        attributes = {"labels": list(LABELS_43), "nomenclature": 43, "miniature": True, "run": "sample", "bands": BANDS}
        file.attrs.update(attributes | {"upsampling": "network", "epochs": 3, "finished": True})
    seal(folder / "predictions.h5")
    return folder


def prepare() -> None:
    """Make all samples now: each input is tried in a process of its own, which could not share them."""
    for version in (1, 2):
        pixels(version)
    cube()
    unfinished()
    run()
    product()
