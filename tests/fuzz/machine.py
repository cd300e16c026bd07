"""The machine and its settings: variables of jobs and GPUs, numbers of workers, and folders to render."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bigearth.cluster import allocation
from bigearth.files import ROOT
from bigearth.scaling.planner import plan_training
from bigearth.study import pages
from bigearth.training.recipe import Recipe
from tests.fuzz.outcomes import Kind

# ---- variables of a job ----

NUMBERS = st.sampled_from(["", "0", "1", "2", "-1", "x", "2.5", "4(x2)", "1e3", " 2 ", "999999999999"])
VARIABLES = ["SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_JOB_NUM_NODES", "SLURM_NTASKS_PER_NODE", "SLURM_NNODES"]
JOBS = st.tuples(
    st.dictionaries(st.sampled_from(VARIABLES), NUMBERS, max_size=4),
    st.sampled_from([None, 1, 2, 3, 0, -1]),
    st.sampled_from(["mpi", "srun", "horovodrun", "slurm:generic", "slurm:", "mpirun", ""]),
)


def count(case: tuple, folder: Path) -> int:
    variables, workers, launcher = case
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        del os.environ[name]
    os.environ.update(variables)
    os.environ["PATH"] = str(folder)  # no squeue: the variables are all there is
    return allocation.count_workers(workers, launcher)


def right_count(case: tuple, result: int, folder: Path) -> bool:
    variables, workers, launcher = case
    tasks = variables.get("SLURM_NTASKS", "").strip()
    in_job = variables.get("SLURM_JOB_ID", "").strip().isdigit()
    if type(result) is not int or result < 1 or (workers is not None and result != workers):
        return False
    silent = in_job and workers is None and not tasks and result == 1 and launcher in ("mpi", "srun")
    one_node = variables.get("SLURM_JOB_NUM_NODES", variables.get("SLURM_NNODES", "1")).strip() in ("", "1")
    return not (silent and not one_node)


# ---- a recipe ----

FIELDS = [field.name for field in dataclasses.fields(Recipe)]
ODD = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 2.5, 1e400, "", "x", "no", "false", "5", "1e-3", [], [1], "3463", {},
                     "nan", "rgb", ["B02"], ["B02", "B02"], "B02", "[1, 1]", {"momentum": "x"}, float("nan"),
                     10**400, {"momentum": True}, {"beta_1": 5}, {"clipnorm": 10**400}]),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.text(max_size=6),
)  # fmt: skip
RECIPES = st.dictionaries(st.sampled_from([*FIELDS, "epoch", "learningrate"]), ODD, min_size=1, max_size=2)

# a field, what is typed, what it means
TYPED = st.sampled_from(
    [("augment", "false", False), ("augment", "no", False), ("augment", "yes", True), ("class_weights", "off", False),
     ("epochs", "5", 5), ("epochs", 5.0, 5), ("seed", "3", 3), ("warmup", "2", 2), ("dropout", "0.25", 0.25),
     ("learning_rate", "1e-3", 1e-3), ("l2", "1e-4", 1e-4), ("blocks", "[1, 1, 1]", [1, 1, 1]), ("mixup", 0, 0.0),
     ("blocks", "1, 2", [1, 2]), ("milestones", "0.5, 0.8", [0.5, 0.8]), ("weights", "null", None),
     ("bands", "[B02, B08]", ["B02", "B08"]), ("optimizer_options", "null", None), ("deterministic", "1", True)]
)  # fmt: skip
TYPED_RECIPES = st.lists(TYPED, min_size=1, max_size=4, unique_by=lambda case: case[0])


def make_typed_recipe(cases: list, folder: Path) -> Recipe:
    return Recipe.from_options(**{name: typed for name, typed, _ in cases})


def right_typed_recipe(cases: list, recipe: Recipe, folder: Path) -> bool:
    return all(getattr(recipe, name) == meant for name, _, meant in cases)


def make_recipe(values: dict, folder: Path) -> Recipe:
    return Recipe.from_options(**values)


def right_recipe(values: dict, recipe: Recipe, folder: Path) -> bool:
    if not set(values) <= set(FIELDS):
        return False
    for name in ("augment", "class_weights", "deterministic", "jit_compile", "allow_empty_splits"):
        typed = values.get(name)
        opposite = str(typed).lower() in ("false", "no", "0", "off", "n", "0.0") if name in values else None
        if opposite is not None and getattr(recipe, name) is opposite and type(getattr(recipe, name)) is bool:
            return False
    whole = all(type(getattr(recipe, name)) is int for name in ("width", "epochs", "batch_size", "seed"))
    lists = all(type(block) is int and block >= 1 for block in recipe.blocks) and len(recipe.blocks) > 0
    finite = 0 <= recipe.learning_rate < 1e31 and 0 <= recipe.dropout < 1 and recipe.warmup <= recipe.epochs
    return whole and lists and finite


# ---- a plan ----

PLANS = st.tuples(
    st.integers(1000, 10**6)
    | st.one_of(st.integers(-5, 10**9), st.sampled_from([True, "two", 2.5, None, "590326", float("nan")])),
    st.sampled_from(["booster", "h100", "H100", "boster", "", None, 5]),
    st.one_of(st.floats(1, 1000), st.floats(), st.sampled_from(["8", "x", None, 0, -1, True])),
    st.sampled_from([1, 4, 64, 0, -1, 2.5, "4", True, 10**7]),
)


def plan(case: tuple, folder: Path) -> Any:
    patches, machine, hours, nodes = case
    return plan_training(patches=patches, machine=machine, deadline_hours=hours, max_nodes=nodes)


def right_plan(case: tuple, table: Any, folder: Path) -> bool:
    numbers = table.select_dtypes("number")
    return bool(len(table)) and bool((numbers >= 0).all(axis=None)) and not numbers.isna().any(axis=None)


# ---- folders to render ----

FOLDERS = st.tuples(
    st.sampled_from(["results", "results/", "resluts", "results/mini", "results/x/..", "mine.txt", ""]),
    st.sampled_from(["nothing", "index.html", "link", "folder index", "notebook", "broken notebook", "deep"]),
)


def prepare_folder(case: tuple, folder: Path) -> None:
    _, there = case
    (folder / "mine.txt").write_text("mine")
    study = folder / "results" / "mini"
    study.mkdir(parents=True)
    shutil.copy(next((ROOT / "results" / "mini").glob("01*.ipynb")), study / "01_exploration.ipynb")
    if there == "index.html":
        (folder / "results" / "index.html").write_text("mine")
    elif there == "link":
        (folder / "results" / "index.html").symlink_to(folder / "mine.txt")
    elif there == "folder index":
        (folder / "results" / "index.html").mkdir()
    elif there == "broken notebook":
        (study / "02.ipynb").write_text("{")
    elif there == "notebook":
        (study / "01_exploration.html").write_text("mine")


def render(case: tuple, folder: Path) -> Path:
    given = case[0]
    return pages.render(str(folder / given) if given else "")


def right_pages(case: tuple, result: Path, folder: Path) -> bool:
    """Whether pages were written, and what was not the study's is as it was."""
    _, there = case
    mine = {"index.html": "index.html", "notebook": "mini/01_exploration.html"}.get(there)
    kept = mine is None or (folder / "results" / mine).read_text() == "mine"
    return result.is_file() and kept and (folder / "mine.txt").read_text() == "mine"


KINDS = [
    Kind("variables of a job", JOBS, count, right_count),
    Kind("recipe as it is typed", TYPED_RECIPES, make_typed_recipe, right_typed_recipe),
    Kind("recipe of a training", RECIPES, make_recipe, right_recipe),
    Kind("plan of a training", PLANS, plan, right_plan),
    Kind("folder to render", FOLDERS, render, right_pages, prepare_folder, may_change=("results",)),
]
