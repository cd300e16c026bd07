"""A narrow DSen2 on a real scene, trained for minutes on one part of it and compared on another with interpolation.

    python tests/bench/bench_superresolution.py --real-data FOLDER

FOLDER holds Sentinel-2-L2A-crop/<scene>/B02.tif and so on (data/README of the study's material). Everything happens at
reduced resolution, 40 m to 20 m, where the measured bands are the truth. Ends with an error where a band is not better
than bicubic interpolation, or training took longer than ten minutes.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from osgeo import gdal

from bigearth.files import ROOT
from bigearth.patch import BANDS_20M, BANDS_AT
from bigearth.upsampling import dsen2
from bigearth.upsampling.dsen2_training import Settings, train
from bigearth.upsampling.interpolation import interpolate
from bigearth.upsampling.quality import compare_bands, reduce_resolution
from bigearth.upsampling.samples import make_pairs

OFFSET = 1000  # the scene is of processing baseline 04.00
TRAIN, GAP = 0.6, 6  # share of the scene's width to learn from; pixels of 60 m left out beside it


def read_scene(folder):
    bands = {}
    for metres, names in BANDS_AT.items():
        arrays = [gdal.Open(str(folder / f"{name}.tif")).ReadAsArray() for name in names]
        bands[metres] = np.maximum(np.stack(arrays, axis=-1), OFFSET)[None] - OFFSET
    return bands


def columns(bands, start, stop):
    return {metres: array[:, :, start * 60 // metres : stop * 60 // metres] for metres, array in bands.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real-data", type=Path, help="without it the benchmark is left out")
    parser.add_argument("--steps", type=int, default=1000, help="training steps of 4 crops (1000)")
    options = parser.parse_args()
    if not options.real_data:
        print("left out: needs a real scene, --real-data FOLDER")
        return 0
    scene = next((options.real_data / "Sentinel-2-L2A-crop").iterdir())
    bands = read_scene(scene)
    width = bands[60].shape[2]
    middle = int(TRAIN * width) // 6 * 6
    learnt, held_out = columns(bands, 0, middle), columns(bands, middle + GAP, width)
    keras.utils.set_random_seed(1)
    model = dsen2.build(20, features=32, blocks=2)
    start = time.perf_counter()
    train(model, learnt, 20, Settings(epochs=10, steps=options.steps // 10, batch_size=4, learning_rate=2e-3))
    minutes = (time.perf_counter() - start) / 60

    inputs, truth = make_pairs(held_out, 20)
    coarse, size = reduce_resolution(held_out[20], 2), truth.shape[1:3]
    estimates = {"DSen2": model.predict(inputs, verbose=0) * dsen2.SCALE}
    for method in ("bicubic", "bilinear"):
        estimates[method] = interpolate(coarse, size, method)
    truth = truth * dsen2.SCALE
    compared = []
    for method, estimate in estimates.items():
        compared.append(compare_bands(truth[0], estimate[0], BANDS_20M).assign(method=method))
    table = pd.concat(compared)
    table = table.assign(parameters=model.count_params(), minutes=minutes)
    (ROOT / "scratch/results/bench").mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(ROOT / "scratch/results/bench/superresolution.csv", index=False)
    errors = table.pivot(index="band", columns="method", values="RMSE")
    print(errors.round(1).to_string(), f"\n{minutes:.1f} minutes, {model.count_params():,} parameters")
    worse = [*errors.index[errors["DSen2"] >= errors["bicubic"]], *(["more than 10 minutes"] if minutes > 10 else [])]
    return f"missed: {', '.join(worse)}" if worse else 0


if __name__ == "__main__":
    sys.exit(main())
