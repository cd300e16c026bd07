"""What grows with the archive: time and memory of each stage, from a thousand patches to all 590,326 names.

Folders carry the archive's names and hold hard links to the files of a few generated patches, so that they take inodes
but hardly any bytes. Index and selection are measured at every size and for all names; the cube, a kill in its middle,
its opening and epochs of reading at every size whose cube the disk takes, and once at a size beyond this machine's
memory. Every step runs in a process of its own. A cold epoch begins with the cube's own pages dropped from memory.

Official names come from ``--lists``: a folder of ``*.csv`` and ``splits/*.csv``. Without it names are made from the
archive's 125 products, as many and as long. All sizes together take 600,000 inodes and about 20 minutes.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.resources import files
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import psutil

from bigearth.archive.index import read_index
from bigearth.archive.lists import read_names
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.progress import count_written
from bigearth.cube.reading import open_cube
from bigearth.cube.selection import select
from bigearth.files import ROOT
from bigearth.miniature.archive import write_archive
from bigearth.patch import DATASET_OF
from bigearth.training import batches

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 3
ORIGINALS = 512
BATCH = 64
BYTES_PER_PATCH = 160_000  # of a cube of native bands
BYTES_PER_FOLDER = 6_000  # of a folder of names, with its inode
READ_BYTES = 8 << 20
KEYS = tuple(DATASET_OF.values())
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}


def read_in_order(path):
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(READ_BYTES)
        while file.readinto(buffer):
            pass


def read_memory_map(path):
    cube = open_cube(path)
    arrays = [cube.array(key) for key in KEYS]
    for start in range(0, len(arrays[0]), BATCH):
        for array in arrays:
            np.array(array[start : start + BATCH])


def read_shuffled(path):
    cube = open_cube(path)
    order = batches.order_rows(range(sum(map(len, cube.rows.values()))), seed=1, epoch=1)
    for _ in batches.read_training_batches(cube, KEYS, order, BATCH, 0, 1):
        pass


EPOCHS = {"sequential read": read_in_order, "memory map": read_memory_map, "shuffled batches": read_shuffled}


def run_step(step, request):
    """Run a step in this process; print its seconds and the peak of this process's memory."""
    warnings.simplefilter("ignore")
    arguments = {}
    if step == "selection":
        arguments = {"index": read_index(request["archive"], request["workdir"])}
    started = time.perf_counter()
    if step == "index":
        read_index(request["archive"], request["workdir"])
    elif step == "selection":
        select(arguments["index"], request["exclude"], request["splits"])
    elif step == "cube":
        write_cube(**request)
    elif step == "opening":
        open_cube(request["cube"])
    else:
        EPOCHS[step](request["cube"])
    seconds = time.perf_counter() - started
    # not getrusage: its peak begins with that of the parent
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
    os.write(1, (json.dumps({"seconds": seconds, "memory_GB": peak * 1024 / 1e9}) + "\n").encode())  # in one piece


def start(step, request, ranks=1):
    """Start a step in new processes, without waiting."""
    mpi = ["mpiexec", "-n", str(ranks), "--bind-to", "core"] if ranks > 1 else []
    command = [*mpi, sys.executable, __file__, "--step", step, "--request", json.dumps(request, default=str)]
    environment = os.environ | MPI | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def finish(process):
    """Wait for a step: the most seconds and memory of its processes."""
    told = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"a step failed with exit status {process.returncode}")
    ranks = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    return max(rank["seconds"] for rank in ranks), max(rank["memory_GB"] for rank in ranks)


class Table:
    """The rows of scale.csv."""

    def __init__(self):
        self.rows = []

    def add(self, patches, step, seconds, memory=None):
        self.rows.append({"patches": patches, "step": step, "seconds": seconds, "memory_GB": memory})
        print(f"{patches:>9,}  {step:<32} {seconds:10.3f} s  {memory or 0:6.2f} GB", flush=True)


def list_names(lists):
    """The archive's names: those of the official lists, or as many made of its products; and the lists to exclude."""
    if lists:
        flags = sorted(lists.glob("patches_with_[sc]*.csv"))
        names = {name for path in [*flags, *lists.glob("splits/*.csv")] for name in read_names(path)}
        names |= set(read_names(lists / "patches_with_no_19_class_targets.csv"))
        return sorted(names), flags
    products = pd.read_csv(files("bigearth.archive") / "products.csv")
    names, taken = [], {}
    for product, count in zip(products["product"], products["patches"], strict=True):
        satellite, _, date = product.split("_")[:3]
        first = taken.get(date, 0)
        names += [f"{satellite}_MSIL2A_{date}_{i // 90}_{i % 90}" for i in range(first, first + count)]
        taken[date] = first + count
    return names, []


def link_patches(originals, names, folder):
    """Write folders of these names, of hard links; those that are there stay."""
    for i, name in enumerate(names):
        place = folder / name
        if place.exists():
            continue
        place.mkdir(parents=True)
        for end, path in originals[i % len(originals)]:
            os.link(path, f"{place}/{name}{end}")


def read_originals(folder):
    """Of a few generated patches, the ends of the files' names and their paths."""
    few = write_archive(folder / "few", patches=ORIGINALS)
    patches = sorted(path for path in few.glob("S2*") if path.is_dir())
    return [[(path.name.removeprefix(patch.name), path) for path in sorted(patch.iterdir())] for patch in patches]


def measure_index(table, names, flags, request, workdir):
    """Index, first and again, and selection."""
    for path in workdir.glob("patches.parquet*"):
        path.unlink()
    for step in ("index, first", "index, again"):
        table.add(len(names), step, *finish(start("index", request)))
    known = set(names)
    exclude = [path for path in flags if not known.isdisjoint(read_names(path))]
    table.add(len(names), "selection", *finish(start("selection", request | {"exclude": exclude, "splits": "random"})))


def measure_cube(table, names, patches, rounds, request, workdir):
    """A cube of so many of the patches on two ranks: whole, killed in the middle, opened, and read."""
    cube = workdir / "cube.h5"
    left_out = workdir / "left-out.csv"
    left_out.write_text("\n".join(names[patches:]))
    request = request | {"cube": cube, "splits": "random", "exclude": [left_out] if names[patches:] else []}
    whole, memory = finish(start("cube", request, ranks=2))
    table.add(patches, "cube, two ranks", whole, memory)
    cube.unlink()
    new_rows, resumed, found = kill_and_resume(request, patches)
    table.add(patches, "restart until new rows", new_rows)
    # beyond the time that the missing rows take anyway
    table.add(patches, "lost by a kill in the middle", resumed - whole * (patches - found) / patches)
    table.add(patches, "opening", *finish(start("opening", {"cube": cube})))
    measure_epochs(table, cube, patches, rounds)
    cube.unlink()


def kill_and_resume(request, patches):
    """Seconds from the start of processes until new rows, seconds of the resumed writing, and rows that it found."""
    process = start("cube", request, ranks=2)
    wait_for_rows(request["cube"], patches // 2, process)
    for one in [*psutil.Process(process.pid).children(recursive=True), process]:
        one.kill()
    process.communicate()
    found = count_written(request["cube"])[0]
    started = time.perf_counter()
    process = start("cube", request, ranks=2)
    wait_for_rows(request["cube"], found + 1, process)
    new_rows = time.perf_counter() - started
    return new_rows, finish(process)[0], found


def wait_for_rows(cube, rows, process):
    while count_written(cube)[0] < rows and process.poll() is None:
        time.sleep(0.02)


def measure_epochs(table, cube, patches, rounds):
    """Epochs by each way of reading in turn, out of memory and in it: medians of the rounds."""
    for state in ("cold", "warm"):
        found = {name: [] for name in EPOCHS}
        for _ in range(rounds):
            for name in EPOCHS:
                if state == "cold":
                    drop_from_memory(cube)
                found[name].append(finish(start(name, {"cube": cube})))
        for name, values in found.items():
            seconds, memory = (median(column) for column in zip(*values, strict=True))
            table.add(patches, f"{state} epoch, {name}", seconds, memory)


def drop_from_memory(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def plan_cubes(sizes, names, disk):
    """How many patches the cube of each size has: all, or what the disk takes; and one beyond memory, if it can."""
    memory = psutil.virtual_memory().total
    beyond = int(1.25 * memory / BYTES_PER_PATCH)
    room = int((disk - BYTES_PER_FOLDER * len(names)) / BYTES_PER_PATCH)
    print(f"may take {disk / 1e9:.1f} GB of disk: cubes of up to {max(room, 0):,} patches")
    planned = {size: min(size, room) for size in sizes}
    for size, patches in planned.items():
        if patches < size:
            print(f"the cube of {size:,} patches would not fit: {patches:,} of them")
    if beyond <= min(room, len(names)):
        planned[beyond] = beyond
    else:
        print(f"a cube beyond the memory of {memory / 1e9:.1f} GB ({beyond:,} patches) would not fit: left out")
    return dict(sorted(planned.items()))


def check_inodes(folder, names):
    """Leave names out where the file system has too few inodes."""
    state = os.statvfs(folder)
    free = state.f_favail - 10_000 if state.f_files else len(names)
    if free < len(names):
        print(f"the disk has inodes for {free:,} folders: names beyond them are left out")
    return names[: max(free, 0)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=Path, help="folder of the official lists")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="patches")
    parser.add_argument("--names", type=int, help="most names for the index (all)")
    parser.add_argument("--disk", type=float, help="GB of disk that may be taken (80 %% of what is free)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of epochs")
    parser.add_argument("--folder", type=Path, default=ROOT / "scratch", help="for scratch; emptied afterwards")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--request", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        return run_step(options.step, json.loads(options.request))
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-scale-", dir=options.folder))
    names, flags = list_names(options.lists)
    names = check_inodes(folder, names[: options.names])
    disk = options.disk * 1e9 if options.disk else 0.8 * shutil.disk_usage(folder).free
    kind = "official names" if options.lists else "names made of the archive's products"
    print(f"{len(names):,} {kind}; 2 ranks; files of {ORIGINALS} patches, from memory")
    # an archive's names in random order, so that each size has patches of every product
    names = [names[i] for i in np.random.default_rng(1).permutation(len(names))]
    cubes = plan_cubes([size for size in options.sizes if size <= len(names)], names, disk)
    table = Table()
    try:
        originals = read_originals(folder)
        request = {"archive": folder / "archive", "workdir": folder}
        for size in sorted({*cubes, len(names)}):
            link_patches(originals, names[:size], folder / "archive")
            measure_index(table, names[:size], flags, request, folder)
            if cubes.get(size, 0) > 0:
                measure_cube(table, names[:size], cubes[size], options.rounds, request, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    target = ROOT / "scratch/results/bench"
    target.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table.rows).round(4).to_csv(target / "scale.csv", index=False)


if __name__ == "__main__":
    main()
