"""An archive as it was downloaded beside the same archive unpacked: time, disk, files and memory, from pixels to cube.

All forms take turns in every round, on two ranks, from the page cache; the table holds medians, and ratios are those
of one round. ``--names N`` instead measures the index alone of a tar of N patches whose files hold a few bytes.
"""

import argparse
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd
import zstandard

from bigearth.archive.streams import GZIP, ZSTD, PackedStream
from bigearth.files import ROOT
from bigearth.miniature.archive import write_archive
from bigearth.progress import track

ORIGINALS, ROUNDS = 512, 3
FRAME_BYTES = 8 << 20
FORMS = {
    "tar": "a.tar",
    "tar.gz": "a.tar.gz",
    "tar.zst, one frame": "a.tar.zst",
    "tar.zst, frames of 8 MiB": "b.tar.zst",
}

PROGRAM = """
import json, os, resource, sys, time, warnings
from bigearth.archive.source import open_archive
from bigearth.cube.preprocessing import write_cube
warnings.simplefilter("ignore")
result = write_cube(**json.loads(sys.argv[1]))
result["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
os.write(1, (json.dumps(result) + '\\n').encode())
"""
INDEX = """
import json, resource, sys, time, warnings
from pathlib import Path
from bigearth.archive.source import open_archive
warnings.simplefilter("ignore")
started = time.perf_counter()
archive = open_archive(sys.argv[1], sys.argv[2])
first = time.perf_counter() - started
first_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
started = time.perf_counter()
archive = open_archive(sys.argv[1], sys.argv[2])
names = archive.list_folders()
again = time.perf_counter() - started
print(json.dumps({"first_s": first, "again_s": again, "memory": first_memory, "patches": len(names)}))
"""


def read_originals(folder):
    """Files of a few generated patches: names with {} for the patch's name, and contents."""
    few = write_archive(folder / "few", patches=ORIGINALS)
    originals = []
    for patch in sorted(path for path in few.glob("S2*") if path.is_dir()):
        files = {path.name.replace(patch.name, "{}"): path for path in sorted(patch.iterdir())}
        originals.append((patch.name.rsplit("_", 2)[0], files))
    return originals


def list_members(originals, patches):
    """(folder, name, file) of every file of the archive, patch by patch."""
    for i in range(patches):
        product, files = originals[i % len(originals)]
        folder = f"{product}_{i // 100}_{i % 100}"
        for name, path in files.items():
            yield folder, name.format(folder), path


def write_folder(originals, patches, folder):
    """The unpacked archive, of hard links."""
    for patch, name, path in list_members(originals, patches):
        (folder / patch).mkdir(parents=True, exist_ok=True)
        os.link(path, folder / patch / name)


def write_tar(originals, patches, target):
    """Write the archive as a tar into a file object."""
    contents = {}
    with tarfile.open(fileobj=target, mode="w|", bufsize=1 << 20) as tar:
        for patch, name, path in list_members(originals, patches):
            content = contents.setdefault(path, path.read_bytes() if path not in contents else b"")
            member = tarfile.TarInfo(f"BigEarthNet-v1.0/{patch}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            tar.members.clear()


def pack(folder):
    """Compress the tar in each form."""
    with open(folder / "a.tar", "rb") as raw, gzip.open(folder / "a.tar.gz", "wb", compresslevel=6) as packed:
        shutil.copyfileobj(raw, packed, 1 << 20)
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    with open(folder / "a.tar", "rb") as raw, open(folder / "a.tar.zst", "wb") as packed:
        compressor.copy_stream(raw, packed)
    with open(folder / "a.tar", "rb") as raw, open(folder / "b.tar.zst", "wb") as packed:
        while block := raw.read(FRAME_BYTES):
            packed.write(compressor.compress(block))


def prepare(folder, patches):
    """The archive in all its forms; what an earlier call made is kept."""
    if (folder / "ready").exists():
        return
    originals = read_originals(folder)
    write_folder(originals, patches, folder / "folder")
    with open(folder / "a.tar", "wb") as target:
        write_tar(originals, patches, target)
    pack(folder)
    (folder / "ready").touch()


def index(path, workdir):
    """Time and memory of an index, first and found again; and its bytes and files."""
    shutil.rmtree(workdir, ignore_errors=True)
    workdir.mkdir()
    ended = subprocess.run([sys.executable, "-c", INDEX, path, workdir], stdout=subprocess.PIPE, text=True, check=True)
    files = [file for file in workdir.rglob("*") if file.is_file()]
    return json.loads(ended.stdout) | {"bytes": sum(file.stat().st_size for file in files), "files": len(files)}


def write(archive, workdir):
    """Seconds from the first patch to the last one written, and the largest memory of two ranks."""
    (workdir / "cube.h5").unlink(missing_ok=True)
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}
    parameters = {"cube": workdir / "cube.h5", "archive": archive, "workdir": workdir, "splits": "random"}
    command = [
        "mpiexec",
        "-n",
        "2",
        "--bind-to",
        "core",
        sys.executable,
        "-c",
        PROGRAM,
        json.dumps(parameters, default=str),
    ]
    ended = subprocess.run(command, env=os.environ | allowed, stdout=subprocess.PIPE, text=True, check=True)
    ranks = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    (workdir / "cube.h5").unlink()
    return max(rank["seconds"] for rank in ranks), max(rank["memory"] for rank in ranks)


def decompress(path, kind):
    """Seconds of reading a packed file front to back, checksums included, in one process."""
    started = time.perf_counter()
    with PackedStream(path, kind) as stream:
        for _ in stream.iterate():
            pass
    return time.perf_counter() - started


def measure_rounds(folder, rounds):
    """Each form in turn, in every round: list of dict of form to seconds, and of form to memory."""
    times, memory = [], {}
    for _ in track(range(rounds), "measuring", "round"):
        now = {
            "gzip alone": decompress(folder / "a.tar.gz", GZIP),
            "zstd alone": decompress(folder / "a.tar.zst", ZSTD),
        }
        for form, name in {"folder": "folder", **FORMS}.items():
            now[form], memory[form] = write(folder / name, folder / f"work-{name}")
        times.append(now)
    return times, memory


def tabulate(folder, patches, indexes, times, memory):
    """One row for each form."""
    rows = []
    for form in ("folder", *FORMS):
        row = {"form": form, "patches": patches, "patches_per_s": patches / median(now[form] for now in times)}
        row["of_folder"] = median(now["folder"] / now[form] for now in times)
        row["of_slower"] = row["of_folder"]
        alone = {"tar.g": "gzip alone", "tar.z": "zstd alone"}.get(form[:5])
        if alone:
            row["of_slower"] = median(max(now["folder"], now[alone]) / now[form] for now in times)
            row["decompression_patches_per_s"] = patches / median(now[alone] for now in times)
        row["memory_GB"] = memory[form] / 1e9
        if form in indexes:
            found = indexes[form]
            packed = (folder / FORMS[form]).stat().st_size
            row |= {"index_s": found["first_s"], "index_again_s": found["again_s"], "index_files": found["files"]}
            row |= {"index_percent": 100 * found["bytes"] / packed, "index_memory_GB": found["memory"] / 1e9}
        rows.append(row)
    return pd.DataFrame(rows)


def measure_names(folder, patches):
    """The index of a tar of many members with a few bytes each."""
    originals = read_originals(folder)
    small = folder / "small"
    small.mkdir()
    for _, files in originals:
        for name, path in list(files.items()):
            files[name] = small / f"{path.name}"
            files[name].write_bytes(path.read_bytes() if name.endswith(".json") else b"x")
    with open(folder / "names.tar", "wb") as target:
        write_tar(originals, patches, target)
    size = (folder / "names.tar").stat().st_size
    started = time.perf_counter()
    with open(folder / "names.tar", "rb") as file:
        while file.read(1 << 20):
            pass
    read = time.perf_counter() - started
    found = index(folder / "names.tar", folder / "work-names")
    row = {"members": 13 * patches, "tar_GB": size / 1e9, "index_s": found["first_s"], "again_s": found["again_s"]}
    row |= {"members_per_s": 13 * patches / found["first_s"], "reading_alone_s": read}
    return pd.DataFrame([row | {"memory_GB": found["memory"] / 1e9, "index_MB": found["bytes"] / 1e6}])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--names", type=int, help="measure the index of a tar of so many patches only")
    parser.add_argument("--folder", type=Path, help="scratch; what was prepared there is used again")
    parser.add_argument("--prepare", action="store_true", help="write the archives, measure nothing")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bench-archive-", dir=ROOT / "scratch"))
    folder.mkdir(parents=True, exist_ok=True)
    name = "archive_names" if options.names else "archive_file"
    if options.names:
        table = measure_names(folder, options.names)
    else:
        prepare(folder, options.patches)
        if options.prepare:
            return
        indexes = {form: index(folder / file, folder / f"work-{file}") for form, file in FORMS.items()}
        (folder / "work-folder").mkdir(exist_ok=True)
        table = tabulate(folder, options.patches, indexes, *measure_rounds(folder, options.rounds))
    print(table.round(3).T.to_string())
    (ROOT / "scratch/results/bench").mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(ROOT / f"scratch/results/bench/{name}.csv", index=False)
    if options.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
