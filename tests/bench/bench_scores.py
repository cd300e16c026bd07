"""Scores of a test split of the real archive's size, with 1,000 bootstrap samples: time and peak memory."""

import resource
import time

import numpy as np
import pandas as pd

from bigearth import scores
from bigearth.files import ROOT

PATCHES, CLASSES, SAMPLES = 125_000, 43, 1000


def main():
    generator = np.random.default_rng(0)
    truth = (generator.random((PATCHES, CLASSES)) < 0.07).astype(np.uint8)
    score = (0.4 * truth + 0.6 * generator.random((PATCHES, CLASSES))).astype(np.float32)
    rows, started = [], time.perf_counter()

    def step(name):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rows.append({"step": name, "seconds_since_start": time.perf_counter() - started, "peak_memory_gib": peak})

    predicted = scores.decide(score, scores.best_thresholds(truth, score))
    step("thresholds per class")
    scores.average_precision(truth, score, "micro"), scores.average_precision(truth, score)
    step("average precision")
    resampled = scores.bootstrap(truth, predicted, samples=SAMPLES)
    step("bootstrap")
    scores.global_scores(truth, predicted, resampled)
    scores.class_scores(truth, predicted, [str(c) for c in range(CLASSES)], resampled)
    step("all averages and classes, with intervals")
    table = pd.DataFrame(rows).round(2)
    (ROOT / "results/bench").mkdir(parents=True, exist_ok=True)
    table.to_csv(ROOT / "results/bench/scores.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
