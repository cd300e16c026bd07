"""Archive route and slab writing, as ratios of what GDAL and the disk do anyway, measured in alternation in one run."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from osgeo import gdal

from bigearth.archive.folders import FolderArchive
from bigearth.archive.index import read_index
from bigearth.cube.preprocessing import SLAB_ROWS, write_cube
from bigearth.cube.selection import select
from bigearth.cube.statistics import measure_rows
from bigearth.cube.unfinished import UnfinishedCube
from bigearth.cube.units import read_slab
from bigearth.cube.writing import open_writer
from bigearth.files import ROOT
from bigearth.labels import LABELS_43
from bigearth.miniature.archive import write_archive
from bigearth.patch import BANDS
from bigearth.progress import track
from bigearth.upsampling.datasets import make_datasets

PATCHES, ORIGINALS, ROUNDS = 2048, 64, 5

PROGRAM = """
import json, os, sys
from bigearth.cube.preprocessing import write_cube
os.write(1, (json.dumps(write_cube(**json.loads(sys.argv[1]))) + '\\n').encode())  # in one piece
"""


def many_patches(folder):
    """An archive of PATCHES patches: copies of a few generated ones under new names."""
    few = write_archive(folder / "few", patches=ORIGINALS)
    originals = sorted(path for path in few.glob("S2*") if path.is_dir())
    for i in range(PATCHES):
        source = originals[i % len(originals)]
        name = f"{source.name.rsplit('_', 2)[0]}_{i // 64}_{i % 64}"
        (folder / "many" / name).mkdir(parents=True)
        for file in source.iterdir():
            shutil.copyfile(file, folder / "many" / name / file.name.replace(source.name, name))
    return folder / "many"


def bare(folders):
    for folder in folders:
        for band in BANDS:
            dataset = gdal.Open(f"{folder}/{folder.name}_{band}.tif")
            dataset.ReadAsArray()


def checked(folders):
    archive = FolderArchive(folders[0].parent)
    names = [folder.name for folder in folders]
    for first in range(0, len(names), SLAB_ROWS):
        read_slab(archive, names[first : first + SLAB_ROWS])


def seconds(function, *arguments):
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def compare(ours, reference, rounds=ROUNDS):
    """Speed of ours over the reference's: median over rounds that take turns, and both median times."""
    times = [(seconds(reference), seconds(ours)) for _ in track(range(rounds), "measuring", "round")]
    return median(r / o for r, o in times), median(o for _, o in times), median(r for r, _ in times)


def run(parameters, ranks=1, core=None):
    """Start the program, bound to a core as mpiexec binds its ranks; without waiting."""
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}
    start = ["mpiexec", "-n", str(ranks), "--bind-to", "core"] if ranks > 1 else ["taskset", "-c", str(core)]
    arguments = json.dumps(parameters, default=str)
    command = [*start, sys.executable, "-c", PROGRAM, arguments]
    return subprocess.Popen(command, env=os.environ | allowed, stdout=subprocess.PIPE, text=True)


def slowest(processes):
    """Seconds of the slowest rank, from the first patch read to the last one written."""
    lines = [line for process in processes for line in process.communicate()[0].splitlines() if line.startswith("{")]
    assert not any(process.returncode for process in processes)
    return max(json.loads(line)["seconds"] for line in lines)


def two_ranks(folder, archive, index):
    """Rate of two ranks over that of two processes that know nothing of each other, a half each, at the same time."""
    halves = []
    for i in range(2):
        (folder / f"half-{i}.csv").write_text("\n".join(index.patch[i::2]))
        (folder / f"work-{i}").mkdir(exist_ok=True)
        shutil.copy(folder / "patches.parquet", folder / f"work-{i}")
        exclude = [str(folder / f"half-{i}.csv")]
        halves.append({"cube": folder / f"half-{i}.h5", "workdir": folder / f"work-{i}", "exclude": exclude})
    common = {"archive": archive, "splits": "random"}
    cores, times = sorted(os.sched_getaffinity(0))[:2], []
    for _ in track(range(ROUNDS), "measuring", "round"):
        for path in folder.glob("*.h5"):
            path.unlink()
        apart = slowest([run(common | half, core=core) for half, core in zip(halves, cores, strict=True)])
        together = slowest([run(common | {"cube": folder / "both.h5", "workdir": folder}, ranks=2)])
        times.append((apart, together))
    return median(a / t for a, t in times), median(t for _, t in times), median(a for a, _ in times)


def slabs(folder, index):
    """Writing slabs at their places in the cube against writing the same bytes to a plain file."""
    rows, _ = select(index, splits="random")
    folder = folder / "slabs"
    native = read_slab(FolderArchive(Path(index.attrs["archive"])), rows.folder.tolist()[:SLAB_ROWS])
    arrays = make_datasets(native, "none")
    measured = measure_rows(np.arange(SLAB_ROWS), arrays, 0)
    unfinished = UnfinishedCube(folder / "cube.h5")
    blob = b"".join(array.tobytes() for array in arrays.values())

    def ours():
        with open_writer(unfinished, 0) as write:
            for first in range(0, len(rows) - SLAB_ROWS + 1, SLAB_ROWS):
                write(f"slab-{first}", replace(measured, rows=np.arange(first, first + SLAB_ROWS)), arrays)

    def plain():
        with open(folder / "plain", "r+b", buffering=0) as stream:
            for _ in range(0, len(rows) - SLAB_ROWS + 1, SLAB_ROWS):
                stream.write(blob)
            os.fdatasync(stream.fileno())  # as a rank does at its end

    folder.mkdir()
    unfinished.folder.mkdir()
    unfinished.begin(json.dumps({"rows": len(rows), "training": 0}), rows, LABELS_43, "none", {})
    (folder / "plain").touch()
    ours(), plain()  # both files have their blocks: neither is measured while it grows
    return compare(ours, plain)


def main():
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "scratch" if (ROOT / "scratch").is_dir() else None))
    found = []

    def note(what, ratio, ours, reference, goal):
        found.append({"what": what, "ratio": ratio, "goal": goal, "seconds": ours, "reference_seconds": reference})
        print(found[-1], flush=True)

    try:
        archive = many_patches(folder)
        first = seconds(read_index, archive, folder)
        second = seconds(read_index, archive, folder)
        index = read_index(archive, folder)
        folders = [archive / name for name in index.folder]
        note("index: second opening, speed-up over the first", first / second, second, first, None)
        note("reading and checking / bare gdal loop", *compare(lambda: checked(folders), lambda: bare(folders)), 0.8)
        parameters = {"cube": folder / "one.h5", "archive": archive, "workdir": folder, "splits": "random"}

        def write_anew():
            parameters["cube"].unlink(missing_ok=True)  # a finished cube would be kept
            write_cube(**parameters)

        note("archive to cube / bare gdal loop", *compare(write_anew, lambda: bare(folders)), 0.6)
        note("two ranks / two independent processes", *two_ranks(folder, archive, index), 0.95)
        note("slabs into the cube / plain write", *slabs(folder, index), 0.7)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = pd.DataFrame(found).round(3)
    table["patches"] = PATCHES
    (ROOT / "scratch/results/bench").mkdir(parents=True, exist_ok=True)
    table.to_csv(ROOT / "scratch/results/bench/preprocessing.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
