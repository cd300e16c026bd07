"""Cubes to be damaged: a copy, a file as the authors published it, and an unfinished one."""

import json
import shutil

import h5py
import pytest

from bigearth.archive.index import read_index
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.selection import select
from bigearth.cube.unfinished import UnfinishedCube
from bigearth.labels import LABELS_43
from bigearth.miniature.archive import write_archive
from bigearth.miniature.products import write_products
from bigearth.patch import DATASET_OF


@pytest.fixture
def copied(tiny_cube, tmp_path):
    """A copy of the tiny cube, to be damaged."""
    return shutil.copy(tiny_cube, tmp_path / "cube.h5")


@pytest.fixture
def published(tiny_cube, tmp_path):
    """A file as the paper's authors published it: the same keys, no patch, no split, no attributes; chunked."""
    path = tmp_path / "published.h5"
    with h5py.File(tiny_cube) as ours, h5py.File(path, "w") as theirs:
        for key in (*DATASET_OF.values(), "data_super", "classes"):
            chunks = (1, *ours[key].shape[1:])
            theirs.create_dataset(key, data=ours[key][:], chunks=chunks)
    return path


@pytest.fixture
def begun(tiny_archive, tmp_path):
    """An unfinished cube of the tiny archive, without a row."""
    rows, _ = select(read_index(tiny_archive, tmp_path), seed=1)
    unfinished = UnfinishedCube(tmp_path / "cube.h5")
    unfinished.folder.mkdir()
    unfinished.begin(json.dumps({"rows": len(rows), "training": 3}), rows, LABELS_43, "none", {"seed": 1})
    return unfinished


@pytest.fixture(scope="module")
def tiled(tmp_path_factory):
    """An archive of twelve patches, its tiles, and small networks: what `write_cube` needs."""
    folder = tmp_path_factory.mktemp("whole")
    archive = write_archive(folder / "archive", patches=12, seed=7)
    write_products(folder / "tiles", archive, driver="GTiff")
    (folder / "weights").mkdir()
    from tests.upsampling.small_networks import small  # loads TensorFlow

    for metres, network in small().items():
        network.save(folder / f"weights/dsen2_{metres}m.keras")
    return {"archive": archive, "workdir": folder, "tiles": folder / "tiles", "weights": folder / "weights"}


@pytest.fixture(scope="module")
def whole(tiled):
    """The cube whose patches were cut from whole tiles."""
    path = tiled["workdir"] / "whole.h5"
    write_cube(cube=path, upsampling="dsen2", whole_tiles=True, **tiled)
    return path
