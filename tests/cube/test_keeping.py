"""What lies at a cube's path: the same content is kept, anything else is refused and left as it is."""

import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from bigearth.cube.check import check
from bigearth.cube.keeping import check_target
from bigearth.cube.layout import AXES, partial_folder
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from tests.cube.damage import brighten


@pytest.fixture
def request_of(tiny_archive, tmp_path):
    """The parameters that the tiny cube was written with, for a cube in this test's folder."""
    return {
        "cube": tmp_path / "cube.h5",
        "archive": tiny_archive,
        "workdir": tmp_path / "work",
        "upsampling": "bilinear",
    }


def snapshot(folder):
    """Names, kinds and contents of all there is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if "work" not in path.parts:
            regular = path.is_file() and not path.is_symlink()
            found[path] = (path.lstat().st_mode, path.read_bytes() if regular else None)
    return found


def test_a_finished_cube_is_kept_by_the_same_parameters(copied, request_of, tmp_path):
    before = copied.stat()
    result = write_cube(**request_of)
    assert result["kept"] and result["patches"] == 0 and result["rows"] > 0
    assert (copied.stat().st_ino, copied.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not partial_folder(copied).exists()


def only_some(tmp_path, tiny_archive):
    names = sorted(path.name for path in tiny_archive.glob("S2*"))[:5]
    (tmp_path / "some.csv").write_text("\n".join(names))
    return [str(tmp_path / "some.csv")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"upsampling": "none"}, "upsampling is 'bilinear', not 'none'"),
        ({"seed": 2}, "seed is 1, not 2"),
        ({"nomenclature": 19}, "nomenclature is 43, not 19"),
        ({"splits": "random"}, "splits is .* not 'random 60/20/20'"),
        ({"exclude": only_some}, "exclude is {}, not {'some.csv': 5}"),
        ({"seed": 3, "upsampling": "none"}, "upsampling is .* seed is 1, not 3"),
    ],
)
def test_another_cube_is_an_error_that_names_every_difference(
    copied, request_of, tiny_archive, tmp_path, change, message
):
    for name, value in change.items():
        request_of[name] = value(tmp_path, tiny_archive) if callable(value) else value
    before = snapshot(tmp_path)
    with pytest.raises(
        InputError, match=f"is finished and is not replaced, but differs .*{message}.*another path"
    ) as error:
        write_cube(**request_of)
    assert "\n" not in str(error.value) and snapshot(tmp_path) == before


def patch_folders(archive):
    return sorted(path for path in archive.glob("S2*") if path.is_dir())


def edit(archive, **values):
    path = next(patch_folders(archive)[3].glob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def other_pixels(archive):
    for folder in patch_folders(archive):
        brighten(folder / f"{folder.name}_B02.tif")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda archive: edit(archive, labels=["Burnt areas"]), "labels"),
        (lambda archive: edit(archive, acquisition_date="2017-01-01 10:00:00"), "1 patches have other places or dates"),
        (other_pixels, "has other pixels in"),
        (
            lambda archive: (archive / "MINIATURE").unlink(),
            "source is 'miniature archive v1.0', not 'BigEarthNet v1.0'",
        ),
    ],
)
def test_a_changed_archive_is_a_difference(copied, request_of, tiny_archive, tmp_path, change, message):
    request_of["archive"] = tmp_path / "archive"
    shutil.copytree(tiny_archive, request_of["archive"])
    change(request_of["archive"])
    with pytest.raises(InputError, match=f"is not replaced, but differs .*{message}"):
        write_cube(**request_of)


def test_a_moved_archive_is_none(copied, request_of, tiny_archive, tmp_path):
    request_of["archive"] = tmp_path / "elsewhere"
    shutil.copytree(tiny_archive, request_of["archive"])
    assert write_cube(**request_of)["kept"]


def text(path):
    path.write_text("mine")


def other_hdf5(path):
    with h5py.File(path, "w") as file:
        file["mine"] = 1


def published(path):
    with h5py.File(path, "w") as file:
        for key, shape in (("data_10m", (2, 120, 120, 4)), ("data_20m", (2, 60, 60, 6)), ("data_60m", (2, 20, 20, 2))):
            file[key] = np.zeros(shape, np.uint16)
        file["classes"] = np.ones((2, 43), np.uint8)


def link(path):
    (path.parent / "target.h5").write_text("mine")
    path.symlink_to(path.parent / "target.h5")


@pytest.mark.parametrize(
    "make",
    [
        text,
        other_hdf5,
        published,
        link,
        os.mkfifo,
        os.mkdir,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.touch(),
    ],
    ids=["text", "other HDF5", "published", "link", "pipe", "folder", "link to nothing", "empty file"],
)
def test_anything_else_is_refused_before_any_work(request_of, tmp_path, make):
    make(request_of["cube"])
    before = snapshot(tmp_path)
    with pytest.raises(InputError) as error:
        write_cube(**request_of)
    assert "cube.h5" in str(error.value) and "\n" not in str(error.value)
    assert snapshot(tmp_path) == before and not request_of["workdir"].exists()


def test_no_path(request_of):
    with pytest.raises(InputError, match="cube is empty"):
        write_cube(**request_of | {"cube": ""})


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        check_target(tmp_path / "file" / "cube.h5")
    check_target(tmp_path / "new" / "folder" / "cube.h5")
    assert not (tmp_path / "new").exists()


HOLDER = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"


def test_a_cube_that_is_open_for_writing_elsewhere(copied, request_of):
    command = [sys.executable, "-c", HOLDER, copied]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        for use in (lambda: write_cube(**request_of), lambda: open_cube(copied), lambda: check(copied)):
            with pytest.raises(InputError, match="open for writing in another program.*close it there") as error:
                use()
            assert "notebook 02" not in str(error.value)
        other.communicate(timeout=20)
    assert write_cube(**request_of)["kept"]


def test_a_repacked_cube_is_read_checked_and_kept(copied, request_of):
    """As h5repack -f GZIP=1 leaves it: compressed, in chunks, without an offset in the file."""
    repacked = copied.with_name("repacked.h5")
    with h5py.File(copied) as ours, h5py.File(repacked, "w") as other:
        for key, dataset in ours.items():
            chunks = (1, *dataset.shape[1:]) if dataset.ndim == 4 else None
            options = {"chunks": chunks, "compression": "gzip", "compression_opts": 1} if chunks else {}
            other.create_dataset(key, data=dataset[()], dtype=dataset.dtype, **options)
        for key, scales in AXES.items():
            for axis, scale in enumerate(scales):
                if not other[scale].is_scale:
                    other[scale].make_scale(scale)
                if scale != key:
                    other[key].dims[axis].attach_scale(other[scale])
        for key in ("/", *ours):
            for name, value in ours[key].attrs.items():
                if name not in ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"):
                    other[key].attrs[name] = value
    os.replace(repacked, copied)
    assert any("checksums and statistics are as recorded" in line for line in check(copied, request_of["archive"]))
    cube = open_cube(copied)
    assert cube.array("data_10m")[0].shape == (120, 120, 4)
    assert write_cube(**request_of)["kept"]
