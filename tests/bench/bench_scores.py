"""Scores of a test split of the real archive's size, with 1,000 bootstrap samples: time and peak memory."""

import resource
import time

import numpy as np
import pandas as pd

from bigearth.files import ROOT
from bigearth.scores import metrics

PATCHES, CLASSES, SAMPLES = 125_000, 43, 1000


def main():
    generator = np.random.default_rng(0)
    truth = (generator.random((PATCHES, CLASSES)) < 0.07).astype(np.uint8)
    score = (0.4 * truth + 0.6 * generator.random((PATCHES, CLASSES))).astype(np.float32)
    rows, started = [], time.perf_counter()

    def step(name):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rows.append({"step": name, "seconds_since_start": time.perf_counter() - started, "peak_memory_gib": peak})

    predicted = metrics.assign_labels(score, metrics.choose_thresholds(truth, score))
    step("thresholds per class")
    metrics.average_precision(truth, score, "micro"), metrics.average_precision(truth, score)
    step("average precision")
    resampled = metrics.resample_patches(truth, predicted, samples=SAMPLES)
    step("bootstrap")
    metrics.score_overall(truth, predicted, resampled)
    metrics.score_classes(truth, predicted, [str(c) for c in range(CLASSES)], resampled)
    step("all averages and classes, with intervals")
    table = pd.DataFrame(rows).round(2)
    (ROOT / "scratch/results/bench").mkdir(parents=True, exist_ok=True)
    table.to_csv(ROOT / "scratch/results/bench/scores.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
