"""Finished training runs for tests, written without training."""

import json

import numpy as np
import pandas as pd


def write_run(workdir, run, workers=1, batch_size=8, epochs=3, seconds=10.0, width=8, seed=1, nodes=1,
              processor="test", **others):  # fmt: skip
    """A finished run as training leaves it, apart from the model and the predictions."""
    folder = workdir / "runs" / run
    folder.mkdir(parents=True)
    steps, number = np.arange(1, 5), np.arange(1, epochs + 1)
    pd.DataFrame(
        {
            "epoch": number,
            "learning_rate": 0.1,
            "loss": 0.5,
            "val_loss": 0.6,
            "val_f1": 0.3 + 0.1 * number,
            "seconds": [seconds + 5] + [seconds] * (epochs - 1),
            "images": 96,
            "validation_seconds": 1.0,
        }
    ).to_csv(folder / "history.csv", index=False)
    rows = [
        (epoch, step, rank, 0.01, 0.2 + 0.002 * ((step + rank) % 3), 0.03, 0.25)
        for epoch in number
        for step in steps
        for rank in range(workers)
    ]
    columns = ["epoch", "step", "rank", "input_s", "compute_s", "allreduce_s", "step_s"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "timings.csv", index=False)
    parameters = {
        "bands": "rgb", "width": width, "blocks": [1, 1], "batch_size": batch_size, "epochs": epochs, "seed": seed,
        "optimizer": "sgd", "schedule": "step", "precision": "float32", "cube": "cube.h5",
    } | others  # fmt: skip
    record = {
        "parameters": parameters,
        "workers": workers,
        "machine": {"processor": processor, "nodes": nodes},
        "wall_seconds": seconds * epochs + epochs + 25,
        "gpu_hours": 0.0,
    }
    (folder / "provenance.json").write_text(json.dumps(record))
    return folder
