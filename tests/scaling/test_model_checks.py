"""The step model beside measured times."""

import runpy

import numpy as np
import pandas as pd
import pytest

from bigearth.files import ROOT
from bigearth.scaling.fitting import fit_parameters
from bigearth.scaling.machines import describe_machine
from bigearth.scaling.model_checks import check_step_model
from bigearth.scaling.step_model import time_epoch


def test_model_beside_the_published_curve():
    published = pd.read_csv(ROOT / "results/paper/epoch_time_juwels.csv")
    gpus, seconds = published["gpus"].to_numpy(), published["seconds_per_epoch"].to_numpy()
    images = 519_226 * 0.6
    p = describe_machine("juwels", algorithm="ring", seconds_per_image=347 * 4 / images)
    fitted, _ = fit_parameters(gpus, seconds, p, ["seconds_per_image"], lambda k, q: time_epoch(k, q, images))
    error = time_epoch(gpus, fitted, images) / seconds - 1
    assert np.abs(error).max() < 0.09
    # with overhead, nodes x time can only grow
    work = gpus * time_epoch(gpus, fitted, images)
    assert (np.diff(work) > 0).all()


def test_two_workers_are_predicted_from_one_and_from_contention_of_other_rounds():
    predictions = runpy.run_path(str(ROOT / "tests/bench/bench_scaling.py"))["predictions"]
    times = {"one": [1.0, 2.0, 1.0], "independent": [1.2, 9.0, 1.2], "horovod": [1.5, 3.0, 1.5], "sum": [0.1, 0.2, 0.1]}
    workers = [{kind: np.repeat(np.array(values)[:, None], 4, axis=1) for kind, values in times.items()} for _ in "ab"]
    workers[1]["one"][:] = np.nan  # it waits
    found = predictions(workers)
    # the second round's own two workers, disturbed, do not enter its prediction
    assert found["contention"][1] == pytest.approx(1.2) and found["predicted_s"][1] == pytest.approx(2 * 1.2 + 0.2)
    workers[0]["horovod"][1] = 4.0
    again = predictions(workers)
    assert again["measured_s"][1] == 4 and again["predicted_s"].equals(found["predicted_s"])


def test_all_comparisons_are_made():
    checks = check_step_model()
    assert checks.largest_errors.to_dict() == pytest.approx(
        {
            "ideal (%)": 8.44,
            "fitted line (%)": 5.95,
            "fitted line, left out (%)": 6.98,
            "step model (%)": 6.98,
            "step model, left out (%)": 8.19,
        },
        abs=0.01,
    )
    assert checks.mlperf["error (%)"].tolist() == pytest.approx([0.11, -3.01, 2.16], abs=0.01)
    assert checks.fitted["times published"][0] == pytest.approx(5.46, abs=0.01)
    ring, server = checks.allreduce.set_index("gpus").loc[1024, ["ring", "server"]]
    assert server > 100 * ring and len(checks.two_workers) == 5
