"""The cube: where it is written, what is resumed, what is read and checked."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

from bigearth.cube.check import check
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.reading import open_cube
from tests.fuzz import samples
from tests.fuzz.broken import DAMAGES, NO_FILES, damaged, put
from tests.fuzz.outcomes import Kind

# ---- where a cube is written: what lies there already ----

WHAT_LIES_THERE = "nothing text hdf5 parquet link cube dangling fifo folder loop".split()
THERE = st.tuples(
    st.sampled_from(WHAT_LIES_THERE),
    st.sampled_from(["nothing", "mine.txt", "lock link", "folder", "file", "fifo"]),
    st.sampled_from(["cube.h5", "sub/cube.h5", "cube", "", "..", "cube.h5/", "a b.h5", "cube.hdf5"]),
)
CUBE_WORK, CUBE_PLACE = ("work",), ("place",)


def prepare_place(case: tuple, folder: Path) -> None:
    there, partial, name = case
    if name not in ("cube.h5", "sub/cube.h5", "cube", "a b.h5", "cube.hdf5"):
        return
    path = folder / "place" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (folder / "place" / "target.txt").write_text("mine")
    _put_there(path, there)
    beside = path.with_name(path.name + ".partial")
    if partial == "file":
        beside.write_text("mine")
    elif partial == "fifo":
        put(beside, "fifo")
    elif partial != "nothing":
        beside.mkdir()
        if partial == "mine.txt":
            (beside / "mine.txt").write_text("mine")
        if partial == "lock link":
            (beside / "lock").symlink_to(folder / "place" / "target.txt")
        if partial == "folder":
            (beside / "cube.h5").mkdir()


def _put_there(path: Path, there: str) -> None:
    if there == "text":
        path.write_text("mine")
    elif there == "hdf5":
        with h5py.File(path, "w") as file:
            file["mine"] = np.arange(3)
    elif there == "parquet":
        shutil.copy(samples.archive(2) / "metadata.parquet", path)
    elif there == "link":
        path.symlink_to(path.parent / "target.txt")
    elif there == "cube":
        shutil.copy(samples.cube(), path)
    elif there != "nothing":
        put(path, there)


def write_there(case: tuple, folder: Path) -> Any:
    name = case[2]
    path = f"{folder}/place/{name}" if name else ""
    write_cube(cube=path, archive=samples.archive(1), workdir=folder / "work", splits="random", seed=1)
    return open_cube(path)


def right_place(case: tuple, cube: Any, folder: Path) -> bool:
    return sum(map(len, cube.rows.values())) == samples.PATCHES


# ---- parameters of another type ----

PARAMETERS = ["seed", "splits", "nomenclature", "upsampling", "distribution", "exclude", "tiles", "weights", "archive"]
ODD_VALUES = st.sampled_from(
    [None, True, 5, 1.5, -1, 2**70, "", "x", b"x", [], [None], [""], ["x"], {}, float("nan"), np.int64(1), "\0", "1"]
)


def write_odd(case: tuple, folder: Path) -> Any:
    name, value = case
    path = folder / "work" / "cube.h5"
    given = {"archive": samples.archive(1), "splits": "random", "seed": 1} | {name: value}
    write_cube(cube=path, workdir=folder / "work", **given)
    check(path)
    return open_cube(path)


def right_odd(case: tuple, cube: Any, folder: Path) -> bool:
    name, value = case
    whole = sum(map(len, cube.rows.values())) == samples.PATCHES
    return whole and (name != "seed" or cube.attributes["seed"] == int(value))


# ---- a broken cube is read and checked ----

ATTRIBUTES = ["seed", "source", "miniature", "complete", "unit", "selection", "upsampling"]
SMALL_AND_PIXELS = ["data_10m", "data_20m", "data_60m", "classes", "split", "x", "y", "epsg"]
ALL_DATASETS = [*SMALL_AND_PIXELS, "patch", "date", "label", "band_10m", "x_20m", "y_60m"]
BROKEN_CUBES = st.one_of(
    st.tuples(st.just("bytes"), DAMAGES),
    st.tuples(st.just("attribute"), st.sampled_from(ATTRIBUTES)),
    st.tuples(st.just("odd attribute"), st.sampled_from(ATTRIBUTES)),
    st.tuples(st.just("gone"), st.sampled_from(["patch", "split", "classes", "data_10m", "data_20m", "x", "date"])),
    st.tuples(st.sampled_from(["group", "dead link", "short"]), st.sampled_from(ALL_DATASETS)),
    st.tuples(st.just("pixel"), st.sampled_from(SMALL_AND_PIXELS)),
    st.tuples(st.just("bands"), st.sampled_from(["data_10m", "data_20m", "data_60m"])),
    st.tuples(st.just("repacked"), st.just("data_10m")),
    st.tuples(st.just("file"), NO_FILES),
)  # fmt: skip


def check_broken(case: tuple, folder: Path) -> Any:
    what, how = case
    path = folder / "cube.h5"
    if what == "file":
        put(path, how)
    else:
        shutil.copy(samples.cube(), path)
        if what == "bytes":
            path.write_bytes(damaged(path.read_bytes(), how))
        else:
            with h5py.File(path, "r+") as file:
                _change_cube(file, what, how)
    return check(path, samples.archive(1))


def _change_cube(file: h5py.File, what: str, how: str) -> None:
    if what == "attribute":
        if how in file.attrs:
            del file.attrs[how]
        else:
            del file["classes"]
    elif what == "odd attribute":
        file.attrs[how] = "other"
    elif what == "gone":
        del file[how]
    elif what in ("group", "dead link", "short"):
        values = file[how][:-1]
        del file[how]
        if what == "group":
            file.create_group(how)
        else:
            file[how] = h5py.SoftLink("/nowhere") if what == "dead link" else values
    elif what == "bands":
        file[how].attrs["bands"] = list(file[how].attrs["bands"])[::-1]
    elif what == "repacked":
        values, attributes = file[how][:], dict(file[how].attrs)
        del file[how]
        made = file.create_dataset(how, data=values, compression="gzip", compression_opts=1)
        for key, value in attributes.items():
            if key not in ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"):
                made.attrs[key] = value
    else:
        first = (0,) * file[how].ndim
        file[how][first] = file[how][first] + 1


def right_check(case: tuple, found: Any, folder: Path) -> bool | str:
    """A check that finds nothing wrong is right only where nothing that is read was changed."""
    what, how = case
    if what == "repacked":
        return True
    if what == "bytes" and how[0] in ("flip", "zeros", "insert", "cut"):
        with h5py.File(folder / "cube.h5") as broken, h5py.File(samples.cube()) as whole:
            same = all(
                key in broken and np.array_equal(broken[key][()], whole[key][()]) for key in whole if key[0] != "_"
            )
        return True if same else False
    return False


# ---- a cube that a killed process left is finished ----

UNFINISHED = st.tuples(
    st.sampled_from(["cube.h5", "plan.json", "journal-0.txt"]),
    DAMAGES | NO_FILES,
)


def resume_broken(case: tuple, folder: Path) -> Any:
    name, damage = case
    path = folder / "work" / "cube.h5"
    shutil.copytree(samples.unfinished(), path.with_name("cube.h5.partial"))
    broken = path.with_name("cube.h5.partial") / name
    if not broken.exists():
        broken.write_bytes(b"")
    if isinstance(damage, str):
        put(broken, damage)
    else:
        broken.write_bytes(damaged(broken.read_bytes() or b"x", damage))
    write_cube(cube=path, archive=samples.archive(1), workdir=folder / "work", splits="random", seed=1)
    return path


def right_resumed(case: tuple, path: Path, folder: Path) -> bool:
    """The finished cube holds the same values as one that was written without a break."""
    with h5py.File(path) as made, h5py.File(samples.cube()) as whole:
        return all(np.array_equal(made[key][()], whole[key][()]) for key in whole if "chunk" not in key)


KINDS = [
    Kind(
        "place of a cube", THERE, write_there, right_place, prepare_place, may_change=CUBE_WORK, may_appear=("place",)
    ),
    Kind(
        "parameter of a cube",
        st.tuples(st.sampled_from(PARAMETERS), ODD_VALUES),
        write_odd,
        right_odd,
        may_change=CUBE_WORK,
    ),
    Kind("cube to check", BROKEN_CUBES, check_broken, right_check, may_change=("cube.h5",)),
    Kind("cube to finish", UNFINISHED, resume_broken, right_resumed, may_change=CUBE_WORK),
]
