"""Publishing: from a clean commit only, and only what git knows is replaced."""

import subprocess

import pytest

from bigearth.errors import InputError
from bigearth.study import publish

# stands in for the package in the checkout: a study writes one table, with the commit's own text
STAND_IN = """
import pathlib, sys
folder = pathlib.Path("scratch/results/mini/01")
folder.mkdir(parents=True, exist_ok=True)
(folder / "table.csv").write_text(pathlib.Path("results/bench/speed.csv").read_text())
(folder / "half.partial.ipynb").write_text("")
sys.exit(int(pathlib.Path("status").read_text()))
"""
BENCH = """
import pathlib
folder = pathlib.Path("scratch/results/bench")
folder.mkdir(parents=True, exist_ok=True)
(folder / "speed.csv").write_text("new\\n")
"""


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def checkout(tmp_path):
    """A committed checkout with published results, and files that git does not know."""
    root = tmp_path / "root"
    files = {
        "bigearth/__init__.py": "",
        "bigearth/__main__.py": STAND_IN,
        "tests/bench/bench_speed.py": BENCH,
        "papermill_runs/mini.yaml": "study: mini\n",
        "results/bench/speed.csv": "old\n",
        "results/mini/01/table.csv": "old\n",
        "results/mini/01/gone.csv": "old\n",
        "status": "0",
        ".gitignore": "scratch/\n*.mine\n__pycache__/\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    (root / "results/mini/01/notes.mine").write_text("mine")
    return root


def test_what_is_published_comes_from_the_commit(checkout):
    publish.publish(["mini", "bench"], checkout)
    results = checkout / "results"
    assert (results / "bench/speed.csv").read_text() == "new\n"
    assert (results / "mini/01/table.csv").read_text() == "new\n"  # benchmarks first: the study reads them
    assert not (results / "mini/01/gone.csv").exists() and not list(results.rglob("*.partial*"))
    assert (results / "mini/01/notes.mine").read_text() == "mine"
    assert not list((checkout / "scratch/publish").iterdir())
    assert len(git(checkout, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("name", ["results/mini/01/table.csv", "new.txt"])
def test_a_checkout_with_changes_is_refused(checkout, name):
    (checkout / name).write_text("changed")
    with pytest.raises(InputError, match=f"1 files differ from the commit, such as {name}; commit or stash them first"):
        publish.publish([], checkout)
    assert (checkout / name).read_text() == "changed"


def test_a_failure_leaves_results_as_they_were_and_the_same_command_goes_on(checkout):
    (checkout / "status").write_text("1")
    git(checkout, "commit", "-qam", "fails")
    with pytest.raises(InputError, match="study papermill_runs/mini.yaml failed"):
        publish.publish(["mini"], checkout)
    assert (checkout / "results/mini/01/table.csv").read_text() == "old\n"
    (next((checkout / "scratch/publish").iterdir()) / "status").write_text("0")
    publish.publish(["mini"], checkout)
    assert (checkout / "results/mini/01/table.csv").read_text() == "old\n"  # of its own benchmarks
    assert not (checkout / "results/mini/01/gone.csv").exists()


def test_a_file_that_git_does_not_know_is_not_replaced(checkout):
    git(checkout, "rm", "-q", "--cached", "results/mini/01/table.csv")
    (checkout / ".gitignore").write_text("scratch/\n*.mine\n__pycache__/\ntable.csv\n")
    git(checkout, "commit", "-qam", "table is ignored")
    with pytest.raises(InputError, match="table.csv is not known to git and would be replaced"):
        publish.publish(["bench", "mini"], checkout)
    assert (checkout / "results/bench/speed.csv").read_text() == "old\n"  # nothing is replaced before all can be
    assert (checkout / "results/mini/01/gone.csv").exists()


def test_no_checkout_and_unknown_names(tmp_path, checkout):
    with pytest.raises(InputError, match="is no checkout"):
        publish.publish([], tmp_path)
    with pytest.raises(InputError, match="'minni' is not published; did you mean 'mini'"):
        publish.publish(["minni"], checkout)
