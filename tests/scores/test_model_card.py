"""The model card of a run."""

import json

import h5py
import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.labels import LABELS_19
from bigearth.scores.metrics import assign_labels, score_overall
from bigearth.scores.model_card import write_card


@pytest.fixture
def run(tmp_path):
    """Folder of a run with 90 predicted patches, and their truth and scores in the test split."""
    rng = np.random.default_rng(0)
    truth = (rng.random((90, 19)) < 0.3).astype(np.uint8)
    truth[:, 3] = 0
    score = np.clip(0.6 * truth + 0.4 * rng.random(truth.shape), 0, 1).astype(np.float32)
    with h5py.File(tmp_path / "predictions.h5", "w") as file:
        file["patch"] = [f"p{i}" for i in range(90)]
        file["split"] = np.repeat(np.array([1, 2], np.uint8), [40, 50])
        file["truth"], file["score"] = truth, score
        about = {"run": "small", "bands": ["rgb"], "upsampling": "network", "labels": list(LABELS_19)}
        file.attrs.update(about | {"nomenclature": 19, "miniature": True, "epochs": 2, "finished": True})
    record = {
        "parameters": {"run": "small", "width": 8, "blocks": [1, 1], "bands": "rgb", "seed": 1},
        "commit": "abc123",
        "versions": {"keras": "3.15.1"},
        "machine": {"processor": "P", "gpu": None},
        "workers": 2,
        "started": "2026-01-02T03:04:05+00:00",
        "wall_seconds": 75.0,
        "trained_on": {"classes": 19, "patches": {"train": 100, "validation": 40, "test": 50}},
    }
    (tmp_path / "provenance.json").write_text(json.dumps(record))
    return tmp_path, truth[40:], score[40:]


def test_data_recipe_scores_and_limits(run):
    folder, truth, score = run
    card = write_card(folder).read_text()
    for text in ("# Model card: small", "train 100, validation 40, test 50", "| seed | 1 |", "commit abc123"):
        assert text in card, text
    for text in ("keras 3.15.1", "test (50 patches)", "knows nothing of the real world", LABELS_19[3], "95 % interval"):
        assert text in card, text
    overall = score_overall(truth, assign_labels(score)).set_index(["average", "measure"]).value
    (micro,) = (line for line in card.splitlines() if line.startswith("| micro |"))
    value, interval = micro.split("|")[4].split(maxsplit=1)
    low, high = (float(bound) for bound in interval.strip(" []").split(","))
    assert float(value) == pytest.approx(overall["micro", "f1"], abs=5e-4) and low <= float(value) <= high


def test_a_run_without_provenance(run):
    folder, _, _ = run
    (folder / "provenance.json").unlink()
    with pytest.raises(InputError, match="provenance.json is missing"):
        write_card(folder)
    assert not (folder / "MODEL_CARD.md").exists()
