"""Mapping a tile on two ranks, beside what it is made of: decoding alone, and the network's forward pass alone.

The tile is a product of twelve bands in reversible JPEG 2000; the network is untrained: the miniature study's narrow
one, or ResNet-50. Every part runs on the same ranks, one core each; rates are patches per second of the wall clock, and
of the processor, which other processes on the machine disturb less. Loading the network and writing the map's files are
counted apart (``other_s``). Decoding and the network share a core, so that no map is faster than both one after the
other: the line "both". Ends with an error where the map is slower than 0.8 of the slower part, or a rank takes 2 GB of
memory.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

from bigearth.files import ROOT

RANKS = 2
WANTED_RATIO = 0.8
WANTED_GIB = 2e9 / 2**30
NETWORKS = {"miniature": (16, [1, 1, 1, 1]), "resnet50": (64, [3, 4, 6, 3])}
METADATA = """<n1:Level-2A_User_Product xmlns:n1="bench"><PROCESSING_BASELINE>02.05</PROCESSING_BASELINE>
<Datatake datatakeIdentifier="GS2A_20170613T101031_010312_N02.05"/><QUANTIFICATION_VALUES_LIST>
<BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST></n1:Level-2A_User_Product>"""


def write_product(folder, size):
    """A product of twelve bands; those of one resolution are the same file."""
    from bigearth.patch import BANDS_AT
    from tests.bench.bench_tiles import landscape, write

    tile, sensed = "T33UUP", "20170613T101031"
    safe = folder / f"S2A_MSIL2A_{sensed}_N0205_R022_{tile}_{sensed}.SAFE"
    array = landscape(size, np.random.default_rng(0))
    for metres, bands in BANDS_AT.items():
        images = safe / f"GRANULE/L2A_{tile}_A010312_{sensed}/IMG_DATA/R{metres}m"
        first = images / f"{tile}_{sensed}_{bands[0]}_{metres}m.jp2"
        block = {10: 1024, 20: 640, 60: 192}[metres]
        options = ["REVERSIBLE=YES", "QUALITY=100", f"BLOCKXSIZE={block}", f"BLOCKYSIZE={block}"]
        coarse = np.ascontiguousarray(array[:: metres // 10, :: metres // 10])
        write(first, coarse, metres, "JP2OpenJPEG", options)
        for band in bands[1:]:
            os.link(first, images / first.name.replace(bands[0], band))
    (safe / "MTD_MSIL2A.xml").write_text(METADATA)
    return safe


def write_run(folder, width, blocks):
    """An untrained network in a run's folder, with thresholds of 0.5 (a run without validation patches)."""
    import h5py
    import keras

    from bigearth.labels import LABELS_43
    from bigearth.patch import BANDS
    from bigearth.training import network
    from bigearth.training.recipe import Recipe

    keras.utils.set_random_seed(1)
    recipe = Recipe(bands="multispectral", width=width, blocks=blocks)
    model = network.build(recipe, 43, dict.fromkeys(BANDS, 2000.0), dict.fromkeys(BANDS, 1000.0))
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    with h5py.File(folder / "predictions.h5", "w") as file:
        file["patch"] = ["none"]
        file["split"] = np.array([2], np.uint8)
        file["truth"], file["score"] = np.zeros((1, 43), np.uint8), np.zeros((1, 43), np.float32)
        about = {"run": folder.name, "bands": ["multispectral"], "upsampling": "network", "labels": list(LABELS_43)}
        file.attrs.update(about | {"nomenclature": 43, "miniature": True, "epochs": 1, "finished": True})


def decode(pieces, scene, grid):
    from bigearth.mapping.reading import Reader

    reader = Reader(scene)
    for row, columns in pieces:
        for _ in reader.read_windows(int(grid.rows[row]), grid.columns[columns]):
            pass


def classify(run, pieces):
    from bigearth.patch import BANDS_AT, PIXELS
    from bigearth.training.classify import load_model

    model = load_model(run)
    rng = np.random.default_rng(0)
    most = max(len(columns) for _, columns in pieces)
    inputs = {}
    for metres, bands in BANDS_AT.items():
        inputs[f"data_{metres}m"] = rng.integers(0, 4000, (most, PIXELS[metres], PIXELS[metres], len(bands)), np.uint16)
    model.predict_on_batch(inputs)  # traced
    started = time.perf_counter(), time.process_time()
    for _, columns in pieces:
        model.predict_on_batch({key: array[: len(columns)] for key, array in inputs.items()})
    return time.perf_counter() - started[0], time.process_time() - started[1]


def child(part, run, product, results):
    """One part on one rank; prints its windows, seconds, processor seconds, other seconds and peak memory in GiB."""
    import tensorflow as tf

    from bigearth.mapping.classify import list_pieces
    from bigearth.mapping.grid import make_grid
    from bigearth.mapping.scene import open_scene
    from bigearth.mpi import communicator

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    comm = communicator()
    rank, size = comm.Get_rank(), comm.Get_size()
    scene = open_scene(product, results / f"scene-{part}-{rank}")
    grid = make_grid(scene.width, scene.height, 1200)
    pieces = list_pieces(grid, np.array_split(np.arange(len(grid.rows)), size)[rank])
    windows = sum(len(columns) for _, columns in pieces)
    comm.Barrier()
    started = time.perf_counter(), time.process_time()
    if part == "forward":
        seconds, processor = classify(run, pieces)
    elif part == "decode":
        decode(pieces, scene, grid)
        seconds, processor = time.perf_counter() - started[0], time.process_time() - started[1]
    else:
        seconds, processor = map_timed(run, product, results)
    other = time.perf_counter() - started[0] - seconds
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**20
    os.write(1, f"{json.dumps([windows, seconds, processor, other, peak])}\n".encode())


def map_timed(run, product, results):
    """Seconds and processor seconds in which a map is classified; its files are written before and after."""
    from bigearth.mapping import classify as module
    from bigearth.mapping.maps import write_map

    processor = []
    classify_pieces = module.classify_pieces

    def timed(*arguments):
        started = time.process_time()
        windows = classify_pieces(*arguments)
        processor.append(time.process_time() - started)
        return windows

    module.classify_pieces = timed
    done = write_map(run=run, product=product, results=results)
    return done["seconds"], processor[0]


def measure(part, run, product, results):
    """Windows of a part; of its slowest rank seconds, processor seconds, other seconds, and peak memory."""
    command = ["mpiexec", "-n", str(RANKS), "--oversubscribe", "--allow-run-as-root", sys.executable, "-m"]
    command += ["tests.bench.bench_mapping", "--child", part, str(run), str(product), str(results)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    ranks = np.array([json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")])
    return ranks[:, 0].sum(), *ranks[:, 1:].max(axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10980, help="pixels of 10 m per side, a multiple of 6 (10980)")
    parser.add_argument("--network", choices=NETWORKS, default="miniature", help="(miniature)")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        part, *paths = options.child
        return child(part, *map(Path, paths))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        product = write_product(folder, options.size)
        run = folder / "runs" / options.network
        write_run(run, *NETWORKS[options.network])
        for part in ("decode", "forward", "map"):
            windows, seconds, processor, other, peak = measure(part, run, product, folder)
            rates = {"patches_per_s": windows / seconds, "patches_per_processor_s": windows / processor}
            about = {"part": part, "network": options.network, "size": options.size, "patches": int(windows)}
            rows.append({**about, **rates, "other_s": other, "peak_memory_gib": peak})
    both = {"part": "both", "network": options.network, "size": options.size, "patches": rows[0]["patches"]}
    for name in ("patches_per_s", "patches_per_processor_s"):
        both[name] = 1 / (1 / rows[0][name] + 1 / rows[1][name])
    table = pd.DataFrame([*rows, both])
    for name in ("patches_per_s", "patches_per_processor_s"):
        table[f"{name}_ratio"] = table[name] / table[name][:2].min()
    (ROOT / "scratch/results/bench").mkdir(parents=True, exist_ok=True)
    table.round(3).to_csv(ROOT / "scratch/results/bench/mapping.csv", index=False)
    print(table.round(3).to_string(index=False))
    missed = []
    if table["patches_per_s_ratio"][2] < WANTED_RATIO:
        missed.append("rate")
    if table["peak_memory_gib"][2] > WANTED_GIB:
        missed.append("memory")
    return f"missed: {', '.join(missed)}" if missed else 0


if __name__ == "__main__":
    sys.exit(main())
