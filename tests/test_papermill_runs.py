"""The studies in papermill_runs: the whole matrix is planned, its job scripts are written, nothing is executed."""

import csv
import re

import pytest
import yaml

from bigearth.__main__ import main
from bigearth.cube.reading import open_cube
from bigearth.files import ROOT
from bigearth.study import definition
from bigearth.training.recipe import Recipe

STUDIES = sorted((ROOT / "papermill_runs").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_head_says_command_machine_time_and_score(path):
    head = re.match(r"(#.*\n)+", path.read_text())[0]
    for word in ("command", "machine", "time", "expects"):
        assert re.search(rf"\b{word}\b", head), f"{path.name} does not say its {word}"
    assert f"papermill_runs/{path.name}" in head or "make study" in head


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_dry_run(path, capsys):
    """Names, parameters, resources and dependencies are checked; nothing is written or run."""
    assert main(["study", str(path), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert all(run.name in printed for run in definition.load(path).runs)


@pytest.mark.parametrize("site", ["generic", "juwels"])
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_job_scripts(path, site, capsys):
    assert main(["study", str(path), "--slurm", site, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    runs = definition.load(path).runs
    assert printed.count("#!/bin/bash") == len(runs)
    for run in runs:
        assert f"--run {run.name} " in printed


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_trainings_are_asked_for_what_there_is(path, tiny_cube):
    """Values of parameters, too: bands, optimizer, schedule ... (batches and cubes are those of the full archive)."""
    small = {"batch_size": 1, "upsampling": "network"}
    for run in definition.load(path).runs:
        if run.notebook.stem == "03_training":
            Recipe.from_parameters(run.parameters | small).check(open_cube(tiny_cube), workers=1)


def test_the_papers_matrix():
    runs = {run.name: run for run in definition.load(ROOT / "papermill_runs/paper.yaml").runs}
    scaling = {(nodes, seed) for nodes in (1, 2, 4, 8, 12, 16, 24) for seed in (1, 2)}
    found = {
        (run.resources["nodes"], run.parameters["seed"])
        for name, run in runs.items()
        if name.startswith("multispectral-")
    }
    assert found == scaling
    assert {runs[f"rgb-s{seed}"].parameters["bands"] for seed in (1, 2)} == {"rgb"}
    assert {runs[f"dsen2-s{seed}"].resources["nodes"] for seed in (1, 2)} == {8}
    trainings = [run for run in runs.values() if run.notebook.stem == "03_training"]
    assert len(trainings) == 18
    for run in trainings:  # four GPUs a node, as on JUWELS
        assert (run.resources["tasks_per_node"], run.resources["gpus_per_task"]) == (4, 1)
        paper = {"width": 64, "blocks": [3, 4, 6, 3], "batch_size": 64, "epochs": 100, "warmup": 5, "dropout": 0.5}
        paper |= {"learning_rate": 0.1, "optimizer": "sgd", "schedule": "step", "milestones": [0.3, 0.6, 0.8]}
        paper |= {"l2": 1e-4, "augment": True, "mixup": 0.2}
        assert paper.items() <= run.parameters.items()
    assert len(runs["05_scaling"].parameters["runs"]) == 16  # with Figure 6's extra point


def test_every_parameter_of_the_paper_reaches_the_job_scripts(capsys):
    """Each training of the full-size plan names each parameter of the paper, with the paper's value."""
    rows = list(csv.DictReader((ROOT / "tests/paper_recipe.csv").read_text().splitlines()))
    expected = {row["parameter"]: yaml.safe_load(row["value"]) for row in rows}
    path = ROOT / "papermill_runs/paper.yaml"
    trainings = [run for run in definition.load(path).runs if run.notebook.stem == "03_training"]
    for run in trainings:
        assert {name: run.parameters[name] for name in expected} == expected, run.name
    assert main(["study", str(path), "--slurm", "juwels", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert all(f"--run {run.name} " in printed for run in trainings)


def test_published_recipes_do_not_rest_on_the_defaults():
    """Defaults are the miniature's: what a study of the real archive does otherwise, it says."""
    paper = {run.name: run.parameters for run in definition.load(ROOT / "papermill_runs/paper.yaml").runs}
    assert paper["02_preprocessing"]["upsampling"] == "none"
    baseline = definition.load(ROOT / "papermill_runs/open_ends.yaml").runs[0].parameters
    recipe = ("width", "blocks", "batch_size", "epochs", "warmup", "dropout", "learning_rate", "optimizer", "schedule")
    for name in (*recipe, "milestones", "mixup"):
        assert baseline[name] == paper["multispectral-n4-s1"][name], name


def test_the_open_ends():
    runs = {run.name: run.parameters for run in definition.load(ROOT / "papermill_runs/open_ends.yaml").runs}
    assert set(runs["05_scaling"]["runs"]) == {name for name in runs if re.match(r"b\d+-", name)}
    assert all(runs[name]["width"] == 64 and runs[name]["epochs"] == 100 for name in ("baseline", "b8192-lars"))
    assert runs["weighted"]["class_weights"] and runs["oversampled"]["oversampling"]
    assert runs["multiresolution"]["bands"] == "multiresolution" and runs["rgb-imagenet"]["weights"] == "imagenet"
    ladder = {(p["batch_size"], p.get("optimizer", "sgd"), p.get("schedule", "step"))
              for name, p in runs.items() if re.match(r"b\d+-", name)}  # fmt: skip
    assert ladder == {(size, *scheme) for size in (64, 128, 256)
                      for scheme in (("sgd", "step"), ("sgd", "polynomial"), ("lars", "polynomial"))}  # fmt: skip
