"""Writing the cube: its content, the same bytes on any number of ranks, resumption, and refused input."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from bigearth import files
from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patch
from bigearth.archive.windows import read_windows
from bigearth.cube import preprocessing, units
from bigearth.cube.check import check
from bigearth.cube.layout import find_offsets, partial_folder
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.progress import count_written
from bigearth.cube.reading import open_cube
from bigearth.cube.selection import select
from bigearth.errors import InputError
from bigearth.labels import binarise
from bigearth.miniature.archive import write_archive
from bigearth.miniature.products import write_products
from bigearth.patch import BANDS, BANDS_AT, DATASET_OF
from bigearth.upsampling.interpolation import interpolate
from tests.archive.packing import FORMS, pack

# What every rank of an MPI job runs: it leaves its process id, and reads slowly if it is to be killed.
PROGRAM = """
import json, os, sys, time
from bigearth.cube import preprocessing, units
from bigearth.errors import InputError
parameters, pause, pids = json.loads(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
open(f"{pids}/pid-{os.environ.get('OMPI_COMM_WORLD_RANK', 0)}", "w").write(str(os.getpid()))
read = units.read_patch
units.read_patch = lambda *arguments: (time.sleep(pause), read(*arguments))
try:
    preprocessing.write_cube(**parameters)
except InputError as error:
    sys.exit(f"InputError: {error}")
"""


@pytest.fixture(scope="module")
def reference(tiny_archive, tmp_path_factory):
    """A cube written by one rank without interruption: every other way has to give the same bytes."""
    workdir = tmp_path_factory.mktemp("reference")
    write_cube(cube=workdir / "cube.h5", archive=tiny_archive, workdir=workdir)
    return workdir / "cube.h5"


def start(ranks, folder, pause=0.0, **parameters):
    parameters = {name: str(value) for name, value in parameters.items()} | {"workdir": str(folder)}
    mpi = ["mpiexec", "-n", str(ranks), "--oversubscribe"]
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*mpi, sys.executable, "-c", PROGRAM, json.dumps(parameters), str(pause), str(folder)],
        env=os.environ | allowed,
        stderr=subprocess.PIPE,
        text=True,
    )


def same_bytes(one, other):
    return one.read_bytes() == other.read_bytes()


def test_the_cube_holds_what_the_archive_holds(tiny_archive, reference, tmp_path):
    cube = open_cube(reference)
    rows, record = select(read_index(tiny_archive, tmp_path), seed=1)
    assert len(cube.labels) == 43 and cube.miniature and cube.upsampling == "none"
    assert np.concatenate([cube.patches(name) for name in cube.rows]).tolist() == rows.patch.tolist()
    assert {name: len(cube.rows[name]) for name in cube.rows} == {name: record[name] for name in cube.rows}
    np.testing.assert_array_equal(cube.classes, binarise(rows.labels, cube.labels))
    arrays = {metres: cube.array(key) for metres, key in DATASET_OF.items()}
    for i, folder in enumerate(rows.folder):
        for metres, pixels in read_patch(tiny_archive / folder).items():
            np.testing.assert_array_equal(arrays[metres][i], pixels)
    assert json.loads(cube.attributes["selection"]) == record


def test_statistics_are_those_of_the_training_rows(reference):
    cube = open_cube(reference)
    for metres, bands in BANDS_AT.items():
        pixels = cube.array(DATASET_OF[metres])[: len(cube.rows["train"])].astype(float)
        for i, band in enumerate(bands):
            assert cube.mean[band] == pytest.approx(pixels[..., i].mean(), rel=1e-12)
            assert cube.std[band] == pytest.approx(pixels[..., i].std(), rel=1e-9)


def test_bilinear(tiny_cube):
    cube = open_cube(tiny_cube)
    joined = cube.array("data_super")
    assert joined.shape[1:] == (120, 120, 12) and cube.upsampling == "bilinear"
    for metres, bands in BANDS_AT.items():
        places = [BANDS.index(band) for band in bands]
        native = cube.array(DATASET_OF[metres])[:5]
        np.testing.assert_array_equal(joined[:5][..., places], native if metres == 10 else interpolate(native, 120))


def test_dsen2(tiny_archive, tmp_path):
    dsen2 = pytest.importorskip("bigearth.upsampling.dsen2")
    from bigearth.upsampling.weights import TRAINED

    networks = {metres: dsen2.build(metres, features=2, blocks=1) for metres in (20, 60)}
    for metres, network in networks.items():
        network.save(tmp_path / TRAINED[metres])
    patches = read_index(tiny_archive, tmp_path).patch
    (tmp_path / "most.csv").write_text("\n".join(patches[4:]))
    chosen = {"archive": tiny_archive, "workdir": tmp_path, "upsampling": "dsen2", "splits": "random"}
    chosen["exclude"] = [str(tmp_path / "most.csv")]
    with pytest.raises(InputError, match="needs weights"):
        write_cube(cube=tmp_path / "cube.h5", **chosen)
    write_cube(cube=tmp_path / "cube.h5", weights=tmp_path, **chosen)
    assert set(json.loads(open_cube(tmp_path / "cube.h5").attributes["weights"])) == {"20", "60"}
    cube = open_cube(tmp_path / "cube.h5")
    native = {metres: cube.array(key)[:1] for metres, key in DATASET_OF.items()}
    expected = dsen2.super_resolve(native, networks)
    places = [BANDS.index(band) for band in BANDS_AT[20]]
    difference = cube.array("data_super")[:1][..., places].astype(int) - expected[20]
    assert np.abs(difference).max() <= 1  # another batch may round otherwise


def test_v2_has_19_classes(tmp_path):
    archive = write_archive(tmp_path / "second", patches=30, seed=7, version=2)
    write_cube(cube=tmp_path / "cube.h5", archive=archive, workdir=tmp_path)
    cube = open_cube(tmp_path / "cube.h5")
    assert cube.nomenclature == 19 and cube.classes.any(axis=1).all() and "v2.0" in cube.source


def test_the_number_of_ranks_does_not_matter(tiny_archive, reference, tmp_path):
    run = start(2, tmp_path, cube=tmp_path / "cube.h5", archive=tiny_archive)
    assert run.wait(120) == 0, run.stderr.read()
    assert same_bytes(tmp_path / "cube.h5", reference)
    assert not partial_folder(tmp_path / "cube.h5").exists()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.filterwarnings("ignore:.*nothing verifies its contents")
def test_a_packed_archive_gives_the_same_cube(tmp_path, form, version):
    folder = write_archive(tmp_path / "archive", patches=80, seed=7, version=version)
    path = pack(folder, tmp_path / "packed", form)
    for name, archive in (("folder", folder), ("packed", path)):
        workdir = tmp_path / f"work-{name}"
        write_cube(cube=workdir / "cube.h5", archive=archive, workdir=workdir)
    assert same_bytes(tmp_path / "work-folder/cube.h5", tmp_path / "work-packed/cube.h5")
    assert "pixels, labels and places of packed" in check(tmp_path / "work-packed/cube.h5", path)[-1]
    again = write_cube(cube=tmp_path / "work-packed/cube.h5", archive=path, workdir=tmp_path / "work-packed")
    assert again["kept"]


@pytest.mark.parametrize("form", ["tar", "gz", "zst", "zst, many frames"])
def test_two_ranks_read_a_packed_archive(tiny_archive, reference, tmp_path, form):
    path = pack(tiny_archive, tmp_path / "packed", form)
    process = start(2, tmp_path, cube=tmp_path / "cube.h5", archive=path)
    assert process.wait(120) == 0, process.stderr.read()
    assert same_bytes(tmp_path / "cube.h5", reference)


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_a_packed_archive_and_a_kill(tiny_archive, reference, tmp_path, monkeypatch, form):
    path = pack(tiny_archive, tmp_path / "packed", form)
    read, calls = units.read_patch, []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return read(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(units, "read_patch", stop)
        write_cube(cube=tmp_path / "cube.h5", archive=path, workdir=tmp_path)
    resumed = write_cube(cube=tmp_path / "cube.h5", archive=path, workdir=tmp_path)
    assert resumed["found"] >= 25 and resumed["found"] + resumed["patches"] == resumed["rows"]
    assert same_bytes(tmp_path / "cube.h5", reference)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank(tiny_archive, reference, tmp_path, victim):
    cube = tmp_path / "cube.h5"
    run = start(2, tmp_path, pause=0.1, cube=cube, archive=tiny_archive)
    deadline = time.monotonic() + 120
    while count_written(cube)[0] < 8:
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.02)
    os.kill(int((tmp_path / f"pid-{victim}").read_text()), signal.SIGKILL)
    assert run.wait(60) != 0  # the other rank has ended too
    assert f"rank {victim}" in run.stderr.read()
    with pytest.raises(InputError, match="incomplete.*resume"):
        open_cube(cube)
    done, rows = count_written(cube)
    assert 8 <= done < rows
    result = write_cube(cube=cube, archive=tiny_archive, workdir=tmp_path)
    assert result["patches"] == rows - done  # what was journaled is not written again
    assert same_bytes(cube, reference)


def test_a_journal_cut_off_by_a_kill(tiny_archive, reference, tmp_path, monkeypatch):
    cube = stop_after(20, tiny_archive, tmp_path, monkeypatch, KeyboardInterrupt())
    journal = partial_folder(cube) / "journal-0.txt"
    journal.write_text(journal.read_text()[:-4])
    result = write_cube(cube=cube, archive=tiny_archive, workdir=tmp_path)
    assert result["patches"] == result["rows"] - 19
    assert same_bytes(cube, reference)


@pytest.mark.parametrize("left", ["nothing", "a damaged file"])
def test_what_cannot_be_resumed_is_begun_anew(tiny_archive, reference, tmp_path, monkeypatch, left):
    """A kill after the finished file got its name, or while its attributes were written."""
    cube = stop_after(20, tiny_archive, tmp_path, monkeypatch, KeyboardInterrupt())
    file = partial_folder(cube) / "cube.h5"
    file.unlink() if left == "nothing" else file.write_bytes(bytes(4096))
    write_cube(cube=cube, archive=tiny_archive, workdir=tmp_path)
    assert same_bytes(cube, reference)


def flip_bit(cube):
    """In a pixel of a row that is journaled."""
    file = partial_folder(cube) / "cube.h5"
    offset, row_bytes = find_offsets(file)["data_20m"]
    content = bytearray(file.read_bytes())
    content[offset + 2 * row_bytes + 1000] ^= 16
    file.write_bytes(content)


def invent_line(cube):
    """A line for rows that were never written: as a machine that lost power may leave it."""
    unit = f"slab-{stopped_after + 3}"
    with open(partial_folder(cube) / "journal-0.txt", "a") as journal:
        journal.write(f"{unit} 1 0000abcd written\n")


def change_line(cube):
    journal = partial_folder(cube) / "journal-0.txt"
    journal.write_text(journal.read_text().replace("slab-2 1 ", "slab-3 1 "))


def damage_labels(cube):
    file = partial_folder(cube) / "cube.h5"
    with h5py.File(file) as stream:
        offset = stream["classes"].id.get_offset()
    content = bytearray(file.read_bytes())
    content[offset + 50] ^= 1
    file.write_bytes(content)


stopped_after = 20


@pytest.mark.parametrize(("damage", "kept"), [(flip_bit, 18), (invent_line, 19), (change_line, 18), (damage_labels, 0)])
def test_resuming_believes_nothing_that_it_can_check(tiny_archive, reference, tmp_path, monkeypatch, damage, kept):
    cube = stop_after(stopped_after, tiny_archive, tmp_path, monkeypatch, KeyboardInterrupt())
    damage(cube)
    result = write_cube(cube=cube, archive=tiny_archive, workdir=tmp_path)
    assert same_bytes(cube, reference)
    assert result["found"] in (kept, kept + 1) and result["patches"] == result["rows"] - result["found"]


def test_a_damaged_plan_is_not_replaced(tiny_archive, tmp_path, monkeypatch):
    cube = stop_after(stopped_after, tiny_archive, tmp_path, monkeypatch, KeyboardInterrupt())
    plan = partial_folder(cube) / "plan.json"
    plan.write_text(plan.read_text()[:-20])
    before = sorted(path.name for path in partial_folder(cube).iterdir())
    with pytest.raises(InputError, match="no readable plan.json of this study, so nothing there is replaced"):
        write_cube(cube=cube, archive=tiny_archive, workdir=tmp_path)
    assert sorted(path.name for path in partial_folder(cube).iterdir()) == before


def test_files_of_others_in_the_folder_stay(tiny_archive, reference, tmp_path):
    cube = tmp_path / "cube.h5"
    partial_folder(cube).mkdir()
    (partial_folder(cube) / "mine.txt").write_text("mine")
    write_cube(cube=cube, archive=tiny_archive, workdir=tmp_path)
    assert same_bytes(cube, reference)
    assert [path.name for path in partial_folder(cube).iterdir()] == ["mine.txt"]


def test_a_refused_request_leaves_nothing(tiny_archive, tmp_path):
    with pytest.raises(InputError, match="unknown"):
        write_cube(cube=tmp_path / "new/cube.h5", archive=tiny_archive, workdir=tmp_path, upsampling="cubic")
    assert not list(tmp_path.iterdir())


def stop_after(patches, archive, workdir, monkeypatch, error):
    """Begin a cube and raise an error when that many patches are read."""
    left = iter(range(patches))

    def read(*arguments):
        if next(left, None) is None:
            raise error
        return read_patch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(units, "read_patch", read)
        with pytest.raises(type(error)):
            write_cube(cube=workdir / "cube.h5", archive=archive, workdir=workdir)
    return workdir / "cube.h5"


@pytest.fixture(scope="module")
def products(tiny_archive, tmp_path_factory):
    """Sentinel-2 products of the tiny archive's landscape, with the radiometric offset of today's."""
    folder = tmp_path_factory.mktemp("products")
    write_products(folder, tiny_archive, baseline="04.00")
    return folder


def checksums(path):
    with h5py.File(path) as file:
        return {key: file[key].attrs["checksum"] for key in DATASET_OF.values()}


@pytest.mark.parametrize("distribution", ["longest_first", "paper"])
def test_tiles_give_the_same_cube(tiny_archive, products, reference, tmp_path, distribution):
    cube, archive = tmp_path / "cube.h5", tmp_path / "without pixels"
    shutil.copytree(tiny_archive, archive, ignore=shutil.ignore_patterns("*.tif"))
    run = start(2, tmp_path, cube=cube, archive=archive, tiles=products, distribution=distribution)
    assert run.wait(120) == 0, run.stderr.read()
    assert checksums(cube) == checksums(reference)
    made, other = open_cube(cube), open_cube(reference)
    assert (made.mean, made.std, made.rows) == (other.mean, other.std, other.rows)
    assert "Sentinel-2 L2A products" in made.source
    radiometry = json.loads(made.attributes["radiometry"])
    assert {tile["baseline"] for tile in radiometry.values()} == {"04.00"}
    assert {value for tile in radiometry.values() for value in tile["offset"].values()} == {-1000}


def test_interrupted_tiles(tiny_archive, products, reference, tmp_path, monkeypatch):
    chosen = {"cube": tmp_path / "cube.h5", "archive": tiny_archive, "workdir": tmp_path, "tiles": products}
    left = iter(range(30))

    def cut(*arguments):
        for patch in read_windows(*arguments):
            if next(left, None) is None:
                raise KeyboardInterrupt
            yield patch

    with monkeypatch.context() as patch:
        patch.setattr(units, "read_windows", cut)
        with pytest.raises(KeyboardInterrupt):
            write_cube(**chosen)
    done = count_written(tmp_path / "cube.h5")[0]
    assert 20 < done <= 30
    result = write_cube(**chosen)
    assert result["patches"] == result["rows"] - done
    assert checksums(tmp_path / "cube.h5") == checksums(reference)


def test_other_parameters_start_anew(tiny_archive, tmp_path, monkeypatch):
    cube = stop_after(20, tiny_archive, tmp_path, monkeypatch, KeyboardInterrupt())
    result = write_cube(cube=cube, archive=tiny_archive, workdir=tmp_path, seed=2)
    assert result["patches"] == result["rows"]
    assert open_cube(cube).attributes["seed"] == 2


def test_a_damaged_patch_ends_all_ranks(tiny_archive, reference, tmp_path):
    archive = tmp_path / "archive"
    shutil.copytree(tiny_archive, archive)
    name = open_cube(reference).patches("test")[-1]  # rank 1 comes upon it
    band = archive / name / f"{name}_B03.tif"
    whole = band.read_bytes()
    band.write_bytes(whole[:-100])
    cube = tmp_path / "cube.h5"
    run = start(2, tmp_path, cube=cube, archive=archive)
    assert run.wait(120) != 0
    said = run.stderr.read()
    assert f"InputError: rank 1: {band} cannot be read" in said
    assert not cube.exists()
    band.write_bytes(whole)
    result = write_cube(cube=cube, archive=archive, workdir=tmp_path)
    assert 0 < result["patches"] < result["rows"]
    assert same_bytes(cube, reference)


def test_an_error_of_ours_reaches_the_caller(tiny_archive, tmp_path, monkeypatch):
    stop_after(5, tiny_archive, tmp_path, monkeypatch, ZeroDivisionError())


def test_two_runs_of_one_cube(tiny_archive, tmp_path, monkeypatch):
    cube = stop_after(20, tiny_archive, tmp_path, monkeypatch, KeyboardInterrupt())
    before = sorted(file.name for file in partial_folder(cube).iterdir())
    with (
        files.locked(partial_folder(cube) / "lock", "the cube"),
        pytest.raises(InputError, match="in use by another process"),
    ):
        write_cube(cube=cube, archive=tiny_archive, workdir=tmp_path)
    assert sorted(file.name for file in partial_folder(cube).iterdir()) == before


def test_too_little_disk_is_seen_first(tiny_archive, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(units, "read_patch", lambda *_: pytest.fail("work began"))
    with pytest.raises(InputError, match=r"needs 0\.0 GB, its disk has 0\.0 GB free"):
        write_cube(cube=tmp_path / "cube.h5", archive=tiny_archive, workdir=tmp_path)


def test_a_full_disk_in_the_middle(tiny_archive, reference, tmp_path, monkeypatch):
    """On a real file system of 6 MB, for a cube of 9 MB: what is written stays, and serves when there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6M", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        chosen = {"cube": disk / "cube.h5", "archive": tiny_archive, "workdir": tmp_path}
        with monkeypatch.context() as patch:
            patch.setattr(preprocessing, "_check_space", lambda *_: None)  # the room went after it was checked
            with pytest.raises(InputError, match=r"no space left, .*; \d+ of \d+ rows are kept: free some") as error:
                write_cube(**chosen)
        kept = count_written(disk / "cube.h5")[0]
        assert kept > 20 and f" {kept} of " in str(error.value)
        subprocess.run(["mount", "-o", "remount,size=30M", disk], check=True)
        result = write_cube(**chosen)
        assert result["patches"] == result["rows"] - kept
        assert same_bytes(disk / "cube.h5", reference)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_used_up_quota(tiny_archive, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "pwrite", refuse)
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(InputError, match="the quota is used up; 0 of .* rows are kept: free some"):
        write_cube(cube=tmp_path / "cube.h5", archive=tiny_archive, workdir=tmp_path)


def test_a_disk_full_of_other_errors(tiny_archive, tmp_path, monkeypatch):
    with pytest.raises(OSError, match="Input/output"):
        monkeypatch.setattr(os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        write_cube(cube=tmp_path / "cube.h5", archive=tiny_archive, workdir=tmp_path)


def test_bad_parameters(tiny_archive, tmp_path):
    chosen = {"cube": tmp_path / "cube.h5", "archive": tiny_archive, "workdir": tmp_path}
    with pytest.raises(InputError, match="upsampling 'cubic' is unknown"):
        write_cube(**chosen, upsampling="cubic")
    with pytest.raises(InputError, match="absent is missing"):
        write_cube(**chosen | {"archive": tmp_path / "absent"})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cube .* cannot be written"):
        write_cube(**chosen | {"cube": tmp_path / "file" / "cube.h5"})
    with pytest.raises(InputError, match="holds no .*SAFE"):
        write_cube(**chosen, tiles=tmp_path)
    assert not (tmp_path / "cube.h5").exists()


def test_without_mpi_under_horovodrun(tiny_archive, tmp_path, monkeypatch):
    monkeypatch.setenv("HOROVOD_RANK", "1")
    with pytest.raises(InputError, match="needs mpi, srun"):
        write_cube(cube=tmp_path / "cube.h5", archive=tiny_archive, workdir=tmp_path)


def test_no_training_rows(tiny_archive, tmp_path):
    """An archive whose lists name no training patch still makes a cube; its statistics are unknown, not wrong."""
    index = read_index(tiny_archive, tmp_path)
    for file, patches in (("train", ["none-of-these"]), ("val", index.patch[:2]), ("test", index.patch[2:])):
        (tmp_path / f"{file}.csv").write_text("\n".join(patches))
    with pytest.warns(UserWarning, match="not in the archive"):
        write_cube(cube=tmp_path / "cube.h5", archive=tiny_archive, workdir=tmp_path, splits=tmp_path)
    cube = open_cube(tmp_path / "cube.h5")
    assert len(cube.rows["train"]) == 0 and all(np.isnan(value) for value in cube.mean.values())


def test_datasets_lie_where_rows_can_be_written(reference):
    with h5py.File(reference) as file:
        for key in DATASET_OF.values():
            assert file[key].chunks is None and file[key].id.get_offset() % 4096 == 0
