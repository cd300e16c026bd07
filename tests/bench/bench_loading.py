"""How fast patches come from disk: this cube beside a bare memory map, GeoTIFFs, LMDB and TFRecord.

One process, page cache, native bands (uint16, 160 kB a patch), batches of 64. All loaders take turns in every round,
and the table holds the median round, so that a noisy machine hits all of them alike.
"""

import argparse
import tempfile
import time
from pathlib import Path

import lmdb
import numpy as np
import pandas as pd
import rasterio
import safetensors.numpy
import tensorflow as tf

from bigearth import background
from bigearth.archive.pixels import read_patch
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.reading import open_cube
from bigearth.files import ROOT, resolve
from bigearth.miniature.archive import miniature
from bigearth.patch import BANDS_AT, DATASET_OF, PIXELS
from bigearth.progress import track
from bigearth.training import batches

BATCH = 64
PASSES = 16  # over the patches, by the fast loaders in a round: one alone would measure how a thread starts
SHAPES = {DATASET_OF[metres]: (PIXELS[metres], PIXELS[metres], len(group)) for metres, group in BANDS_AT.items()}


def memmap_loop(cube, rows):
    arrays = [cube.array(key) for key in SHAPES]
    for start in list(range(0, len(rows), BATCH)) * PASSES:
        yield [np.array(array[start : start + BATCH]) for array in arrays]


def shuffled(cube, rows):
    order = np.concatenate([batches.order_rows(rows, seed=1, epoch=epoch) for epoch in range(PASSES)])
    return batches.read_training_batches(cube, list(SHAPES), order, BATCH, 0, 1)


def in_batches(patches):
    """Stack single patches into batches, as the others return them."""
    batch = []
    for patch in patches:
        batch.append(patch)
        if len(batch) == BATCH:
            yield {key: np.stack([one[key] for one in batch]) for key in batch[0]}
            batch = []
    if batch:
        yield {key: np.stack([one[key] for one in batch]) for key in batch[0]}


def geotiff_gdal(folders):
    return in_batches({DATASET_OF[metres]: array for metres, array in read_patch(folder).items()} for folder in folders)


def geotiff_rasterio(folders):
    def read(folder):
        patch = {}
        for metres, group in BANDS_AT.items():
            bands = []
            for band in group:
                with rasterio.open(folder / f"{folder.name}_{band}.tif") as file:
                    bands.append(file.read(1))
            patch[DATASET_OF[metres]] = np.stack(bands, axis=-1)
        return patch

    return in_batches(read(folder) for folder in folders)


def write_lmdb(path, cube, rows):
    with lmdb.open(str(path), map_size=2 * len(rows) * 170_000) as database, database.begin(write=True) as transaction:
        for row in rows:
            patch = {key: np.array(cube.array(key)[row]) for key in SHAPES}
            transaction.put(f"{row:08d}".encode(), safetensors.numpy.save(patch))


def read_lmdb(path, rows):
    with lmdb.open(str(path), readonly=True, lock=False) as database, database.begin() as transaction:
        random = np.random.default_rng(1).permutation(rows)
        yield from in_batches(safetensors.numpy.load(transaction.get(f"{row:08d}".encode())) for row in random)


def write_tfrecord(path, cube, rows):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            feature = {}
            for key in SHAPES:
                content = tf.train.BytesList(value=[cube.array(key)[row].tobytes()])
                feature[key] = tf.train.Feature(bytes_list=content)
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def read_tfrecord(path):
    wanted = {key: tf.io.FixedLenFeature([], tf.string) for key in SHAPES}

    def parse(records):
        found = tf.io.parse_example(records, wanted)
        return {key: tf.reshape(tf.io.decode_raw(found[key], tf.uint16), (-1, *shape)) for key, shape in SHAPES.items()}

    return tf.data.TFRecordDataset(str(path)).shuffle(256, seed=1).batch(BATCH).map(parse).prefetch(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", default="scratch/mini", help="of the archive and the cube; written if absent")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--patches", type=int, default=512)
    arguments = parser.parse_args()
    workdir = resolve(arguments.workdir)
    archive, path = miniature(workdir), workdir / "cube.h5"
    if not path.exists():
        write_cube(cube=path, archive=archive, workdir=workdir)
    cube = open_cube(path)
    names = np.concatenate([cube.patches(split) for split in cube.rows])[: arguments.patches]
    rows, folders = range(len(names)), [archive / name for name in names]
    with tempfile.TemporaryDirectory(prefix="bench-loading-") as scratch:
        database, records = Path(scratch) / "patches.lmdb", Path(scratch) / "patches.tfrecord"
        write_lmdb(database, cube, rows)
        write_tfrecord(records, cube, rows)
        loaders = {
            "np.memmap, in order": lambda: memmap_loop(cube, rows),
            "cube, shuffled batches": lambda: shuffled(cube, rows),
            "cube, shuffled, read ahead": lambda: background.read_ahead(shuffled(cube, rows)),
            "LMDB of safetensors, shuffled": lambda: read_lmdb(database, rows),
            "TFRecord by tf.data, shuffled": lambda: read_tfrecord(records),
            "GeoTIFF by GDAL": lambda: geotiff_gdal(folders),
            "GeoTIFF by rasterio": lambda: geotiff_rasterio(folders),
        }
        seconds = {name: [] for name in loaders}
        for _ in track(range(arguments.rounds), "measuring", "round"):
            for name, load in loaders.items():
                start = time.perf_counter()
                for _batch in load():
                    pass
                seconds[name].append(time.perf_counter() - start)
    table = pd.DataFrame({"loader": list(loaders), "seconds": [np.median(seconds[name]) for name in loaders]})
    passes = np.where(table.loader.str.startswith(("cube", "np.memmap")), PASSES, 1)
    read = np.where(table.loader.str.startswith("cube"), len(rows) * passes // BATCH * BATCH, len(rows) * passes)
    table["patches_per_s"] = read / table.pop("seconds")
    table["MB_per_s"] = table.patches_per_s * sum(np.prod(shape) for shape in SHAPES.values()) * 2 / 1e6
    table["of_memmap"] = table.patches_per_s / table.patches_per_s[0]
    table["of_gdal"] = table.patches_per_s / table.set_index("loader").patches_per_s["GeoTIFF by GDAL"]
    folder = ROOT / "scratch/results/bench"
    folder.mkdir(parents=True, exist_ok=True)
    table.round(3).to_csv(folder / "loading.csv", index=False)
    print(table.round(3).to_string(index=False))
    print("goals: the cube's of_memmap at least 0.8, its of_gdal at least 8")


if __name__ == "__main__":
    main()
