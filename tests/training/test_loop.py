"""Real trainings of a tiny network on the tiny cube, on one worker and on several started by mpiexec.

Several exchange their gradients through Horovod, and again through mpi4py, which takes its place where it is missing.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.scores.predictions import read_predictions
from bigearth.training import loop, network, records
from bigearth.training.exchange import STALL_VARIABLE
from bigearth.training.recipe import Recipe
from tests.training.test_scalars import read_points

# Small enough for a test, with everything in it that a step can do.
TINY = {
    "width": 4,
    "blocks": [1, 1],
    "epochs": 3,
    "batch_size": 4,
    "warmup": 1,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "milestones": [0.3, 0.6, 0.8],
    "dropout": 0.5,
    "mixup": 0.2,
    "deterministic": True,
}
SAME = ["epoch", "learning_rate", "loss", "val_loss", "val_f1", "images"]  # what two equal runs share
WORKER = Path(__file__).with_name("training_worker.py")


def on_workers(workers, check=True, **parameters):
    """Train by mpiexec; the results of the ranks in rank order."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    command = [sys.executable, str(WORKER), json.dumps(parameters)]
    if workers > 1:
        command = ["mpiexec", "-n", str(workers), "--bind-to", "none", "--oversubscribe", *command]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    if not check:
        return done
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return sorted(results, key=lambda result: result["rank"]), done.stdout


def train(run, place, **changes):
    """Train on one worker, in this process."""
    return loop.train(run, **place, recipe=Recipe(**TINY | changes))


def history(workdir, run):
    return pd.read_csv(Path(workdir) / "runs" / run / "history.csv")[SAME]


@pytest.fixture(scope="module")
def place(tiny_cube, tmp_path_factory):
    return {"workdir": str(tmp_path_factory.mktemp("training")), "cube": str(tiny_cube)}


@pytest.fixture(scope="module", params=["Horovod", "mpi4py"])
def joint(request, tiny_cube, tmp_path_factory):
    """Where several workers train, and what they exchange arrays through."""
    return {
        "workdir": str(tmp_path_factory.mktemp(request.param)),
        "cube": str(tiny_cube),
        "means": request.param,
    }


@pytest.fixture(scope="module")
def two(joint):
    """A run of two workers that nothing disturbed."""
    return on_workers(2, run="two", **joint, **TINY)[0]


def test_two_workers_end_with_the_same_weights_and_leave_all_files(joint, two, tiny_cube):
    assert [result["rank"] for result in two] == [0, 1] and two[0]["checksum"] == two[1]["checksum"]
    folder, cube = Path(joint["workdir"]) / "runs/two", open_cube(tiny_cube)
    steps = len(cube.rows["train"]) // 8
    table = history(joint["workdir"], "two")
    assert list(table["epoch"]) == [1, 2, 3] and (table["images"] == 8 * steps).all()
    timings = pd.read_csv(folder / "timings.csv")
    assert len(timings) == 3 * 2 * min(steps, loop.SAMPLED_STEPS) and list(timings) == list(records.TIMINGS)
    parts = timings[["input_s", "compute_s", "allreduce_s"]]
    assert (parts >= 0).all(axis=None) and (parts.sum(axis=1) <= timings["step_s"] + 1e-3).all()
    read = read_predictions(folder / "predictions.h5")
    assert read.finished and read.labels == cube.labels and read.bands == ("multispectral",)
    for split in ("validation", "test"):
        part, rows = read.select(split), cube.rows[split]
        assert list(part.patch) == list(cube.patches(split))
        assert np.array_equal(part.truth, cube.classes[rows.start : rows.stop])
    rows = cube.rows["test"]
    model = keras.saving.load_model(folder / "model.keras")
    features = {key: cube.array(key)[rows.start : rows.stop] for key in model.input}
    assert np.allclose(
        model(features), read.select("test").score, atol=1e-5
    )  # the shards of both workers, in row order
    assert "# Model card: two" in (folder / "MODEL_CARD.md").read_text()
    record = json.loads((folder / "provenance.json").read_text())
    assert record["workers"] == 2 and record["parameters"]["width"] == 4
    assert record["allreduce"] == joint["means"]


def test_a_finished_run_returns_at_once_and_another_recipe_needs_another_name(joint, two):
    again = on_workers(2, run="two", **joint, **TINY)[0]
    assert again == two
    refused = on_workers(2, check=False, run="two", **joint, **TINY | {"width": 8})
    assert (
        refused.returncode
        and "run two exists with width = 4, now 8" in refused.stderr
        and "or remove" not in refused.stderr
    )


@pytest.mark.parametrize("accident", ["die", "raise", "signal"])
def test_a_disturbed_run_started_again_ends_with_the_same_history(joint, two, accident, monkeypatch):
    """A worker that dies or raises ends the run; the signal ends all workers; nothing is lost but the epoch begun."""
    monkeypatch.setenv(STALL_VARIABLE, "5")
    disturbed = {"run": accident, **joint, **TINY}
    stopped = on_workers(2, check=False, accident=accident, at=2, **disturbed)
    if accident == "signal":
        assert stopped.stdout.count("SIGUSR1 in epoch 3") == 2  # both workers, though one got the signal
    else:
        assert (
            stopped.returncode and {"raise": "the disk of worker 1 is gone", "die": "exit"}[accident] in stopped.stderr
        )
    assert len(history(joint["workdir"], accident)) == 2
    results, output = on_workers(2, **disturbed)
    assert "going on after epoch 2" in output
    assert history(joint["workdir"], accident).equals(history(joint["workdir"], "two"))
    assert results[0]["checksum"] == two[0]["checksum"]
    timings = pd.read_csv(Path(joint["workdir"]) / "runs" / accident / "timings.csv")
    assert (timings.groupby("epoch").size() == timings.groupby("epoch").size()[1]).all()
    points = [point[:2] for point in read_points(Path(joint["workdir"]) / "runs" / accident)]
    assert len(points) == len(set(points)) == 3 * 5  # TensorBoard's: each epoch once


def test_many_workers_equal_one_with_the_global_batch(joint):
    """Same weights after several epochs: float32, augmentation and dropout off, BatchNorm in inference mode."""
    weights = {}
    for workers in (1, 2, 4):
        plain = {"augment": False, "mixup": 0, "dropout": 0, "frozen": True, "warmup": 0}
        on_workers(workers, run=f"equal{workers}", **joint, **TINY | {"batch_size": 8 // workers} | plain)
        folder = Path(joint["workdir"]) / f"runs/equal{workers}"
        weights[workers] = keras.saving.load_model(folder / "model.keras").get_weights()
    start = on_start(joint["cube"])
    assert max(np.abs(a - b).max() for a, b in zip(start, weights[1], strict=True)) > 1e-3  # they have learnt
    for workers in (2, 4):
        assert max(np.abs(a - b).max() for a, b in zip(weights[workers], weights[1], strict=True)) < 1e-5
    losses = [history(joint["workdir"], f"equal{workers}").loss for workers in (1, 2, 4)]
    assert np.abs(losses[1] - losses[0]).max() < 1e-4 and np.abs(losses[2] - losses[0]).max() < 1e-4


def on_start(path):
    """The weights before training, from the same seed."""
    cube = open_cube(path)
    keras.utils.set_random_seed(1)
    return network.build(Recipe(**TINY), len(cube.labels), cube.mean, cube.std).get_weights()


def test_one_worker_needs_no_horovod(place):
    code = (
        f"import sys; sys.modules['horovod'] = sys.modules['mpi4py'] = None; sys.path.insert(0, {str(WORKER.parent)!r})"
    )
    code += f"; import training_worker; training_worker.main(**{ ({'run': 'one', **place, **TINY, 'epochs': 1})!r})"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT)
    assert len(history(place["workdir"], "one")) == 1


def test_a_slow_disk_does_not_end_the_training(joint, monkeypatch):
    """Rank 0 writes for longer than the others wait for a worker that says nothing."""
    monkeypatch.setenv(STALL_VARIABLE, "3")
    results, _ = on_workers(2, run="slow-disk", accident="slow disk", at=9, **joint, **TINY | {"epochs": 1})
    assert [result["rank"] for result in results] == [0, 1]


def test_a_worker_that_does_not_come_ends_the_training_with_a_line(joint, monkeypatch):
    monkeypatch.setenv(STALL_VARIABLE, "4")
    done = on_workers(2, check=False, run="late", accident="late", at=1, **joint, **TINY)
    words = "kept the others waiting for longer than 4 s: where it was only slow, raise stall_seconds"
    assert words in done.stdout and "Graph execution error" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "variant",
    [
        {"optimizer": "lamb", "precision": "mixed_bfloat16", "class_weights": True},
        {"optimizer": "lars", "schedule": "polynomial", "precision": "mixed_float16"},
        {"optimizer_options": {"gradient_accumulation_steps": 2}},
    ],
)
def test_two_workers_end_with_the_same_bytes_whatever_they_exchange_arrays_through(place, variant):
    sums = []
    for means in ("Horovod", "mpi4py"):
        run = f"{variant.get('optimizer', 'accumulated')}-{means}"
        results, output = on_workers(2, run=run, means=means, **place, **TINY | {"epochs": 1} | variant)
        sums.append(results[0]["checksum"])
        warning = "warning: Horovod cannot be imported: the workers exchange gradients through mpi4py"
        assert (warning in output) == (means == "mpi4py")
    assert sums[0] == sums[1]
    histories = [
        history(place["workdir"], f"{variant.get('optimizer', 'accumulated')}-{m}") for m in ("Horovod", "mpi4py")
    ]
    assert histories[0].equals(histories[1])


@pytest.mark.parametrize(
    "settings", ['{"image_data_format": "channels_first", "floatx": "float64"}', '{"backend": "jax"}']
)
def test_another_keras_json_changes_nothing(place, tmp_path, monkeypatch, settings):
    name = f"keras{len(settings)}"
    train(f"{name}-without", place, epochs=1)
    (tmp_path / "keras.json").write_text(settings)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    code = "from bigearth.training import start; from bigearth.training.recipe import Recipe; "
    code += f"start.train({name!r}, **{place!r}, recipe=Recipe(**{TINY | {'epochs': 1}!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert history(place["workdir"], name).equals(history(place["workdir"], f"{name}-without"))


def test_a_nan_loss_stops_with_epoch_step_rate_and_advice(place):
    with pytest.raises(InputError, match=r"nan in epoch 1, step \d+, at learning rate 1.*e\+.*lower learning_rate"):
        train("nan", place, learning_rate=1e20, warmup=0)


def test_weights_that_became_nan_are_not_kept(place, monkeypatch):
    monkeypatch.setattr(loop.scoring, "validate", lambda *_: (np.nan, 0.0))
    with pytest.raises(InputError, match=r"validation loss became nan in epoch 1.*there is no checkpoint yet"):
        train("nan-at-the-end", place)
    assert not list((Path(place["workdir"]) / "runs/nan-at-the-end").rglob("*.npz"))


def test_a_kill_after_the_last_checkpoint_loses_no_line(place):
    train("last-line", place, epochs=2)
    folder = Path(place["workdir"]) / "runs/last-line"
    whole = (folder / "history.csv").read_text()
    (folder / "history.csv").write_text(whole[: whole.rindex("\n2,") + 1])
    (folder / "provenance.json").unlink()
    train("last-line", place, epochs=2)
    assert (folder / "history.csv").read_text() == whole


def test_another_cube_under_the_same_name_is_refused(place, monkeypatch):
    train("another-cube", place, epochs=1)
    opened = open_cube(place["cube"])
    fewer = opened.rows | {"train": opened.rows["train"][:-1]}
    monkeypatch.setattr(loop, "open_cube", lambda path: replace(opened, rows=fewer))
    with pytest.raises(InputError, match="another-cube was trained on a cube with .* has 43 classes and .*: choose"):
        train("another-cube", place, epochs=1)
    (Path(place["workdir"]) / "runs/another-cube/provenance.json").unlink()
    with pytest.raises(InputError, match="another-cube was trained on a cube with"):
        train("another-cube", place, epochs=1)


def test_training_rows_stand_in_for_empty_splits(place, monkeypatch):
    opened = open_cube(place["cube"])
    without = replace(opened, rows=opened.rows | {"validation": range(0, 0), "test": range(0, 0)})
    monkeypatch.setattr(loop, "open_cube", lambda path: without)
    result = train("empty", place, epochs=1, allow_empty_splits=True)
    assert result["scored"] == {"validation": "train", "test": "train"}
    read = read_predictions(Path(place["workdir"]) / "runs/empty/predictions.h5")
    assert set(read.split) == {"train"} and len(read.patch) == len(opened.rows["train"])


@pytest.mark.parametrize(
    "variant",
    [
        {"optimizer": "lars", "schedule": "polynomial", "class_weights": True, "oversampling": True},
        {"optimizer": "lamb", "optimizer_options": {"clipnorm": 1.0}, "precision": "mixed_bfloat16"},
        {"optimizer_options": {"gradient_accumulation_steps": 2}, "precision": "mixed_float16"},
        {"bands": "multiresolution"},
        {"bands": ["B11", "B04"], "upsampling": "bilinear"},
    ],
)
def test_the_open_ends_train(place, variant):
    name = "-".join(variant)
    result = train(name, place, **{"epochs": 1} | variant)
    table = history(place["workdir"], name)
    assert np.isfinite(table.to_numpy(float)).all() and 0 <= result["test_f1"] <= 1


def test_xla_compiles_the_inner_part(place):
    on_workers(1, run="xla", **place, **TINY | {"epochs": 1, "jit_compile": True, "deterministic": False})
    assert np.isfinite(history(place["workdir"], "xla").to_numpy(float)).all()
