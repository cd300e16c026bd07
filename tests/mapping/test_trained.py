"""What a map takes from a run."""

import shutil

import h5py
import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.mapping.trained import read_run
from bigearth.scores.metrics import choose_thresholds
from bigearth.scores.predictions import read_predictions
from bigearth.scores.sealing import seal


def test_thresholds_come_from_the_validation_split(run):
    found = read_run(run)
    validation = read_predictions(run / "predictions.h5").select("validation")
    np.testing.assert_array_equal(found.thresholds, choose_thresholds(validation.truth, validation.score))
    assert f"{len(validation.truth)} validation patches" in found.chosen and len(found.labels) == 43
    assert found.is_miniature and found.upsampling == "network"


def test_one_threshold_for_all(run):
    found = read_run(run, 0.4)
    assert (found.thresholds == 0.4).all() and found.chosen == "0.4 for every label"


def test_a_run_without_validation_patches_says_so(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    with h5py.File(tmp_path / "run/predictions.h5", "r+") as file:
        file["split"][:] = 2
    seal(tmp_path / "run/predictions.h5")
    found = read_run(tmp_path / "run")
    assert (found.thresholds == 0.5).all() and "no validation patches" in found.chosen


@pytest.mark.parametrize("lost", ["model.keras", "predictions.h5"])
def test_an_unfinished_run(run, tmp_path, lost):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / lost).unlink()
    with pytest.raises(InputError, match=lost):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_impossible_thresholds(run, threshold):
    with pytest.raises(InputError, match="is no score"):
        read_run(run, threshold)
