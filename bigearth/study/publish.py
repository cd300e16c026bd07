"""Publishing: the committed studies and benchmarks are executed from one clean commit and put into ``results/``."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.parameters import suggest
from bigearth.study import pages
from bigearth.yaml_files import read_yaml

BENCHMARKS = "bench"
PUBLISHED = (
    BENCHMARKS,
    "mini",
    "mini_open_ends",
)  # in this order: the studies show benchmarks, the last reads mini's cube
EXECUTED = Path("scratch/results")  # where studies and benchmarks write


def publish(names: Iterable[str] = (), root: Path = ROOT) -> None:
    """Execute studies and benchmarks in a checkout of this commit beside this one, and replace what is published.

    Files that git does not know stay; nothing is committed. After a failure the checkout beside stays, and the same
    command goes on there.

    Parameters
    ----------
    names : iterable of str
        Of PUBLISHED; none: all.
    root : Path
        The checkout.

    Raises
    ------
    InputError
        A name is unknown, the checkout has changes or is none, or an execution failed: then what it would have
        replaced is unchanged.
    """
    given = list(names) or list(PUBLISHED)
    for name in given:
        if name not in PUBLISHED:
            raise InputError(f"publish: {name!r} is not published; {suggest(name, PUBLISHED)}")
    commit = check_clean(root)
    beside = root / "scratch" / "publish" / commit[:12]
    if not (beside / ".git").exists():
        _run_git(root, "worktree", "prune")
        _run_git(root, "worktree", "add", "--quiet", "--detach", str(beside), commit)
    chosen = [name for name in PUBLISHED if name in given]
    folders = {}
    for name in chosen:
        if name == BENCHMARKS:
            folders[BENCHMARKS] = _run_benchmarks(beside)
        else:
            folder = _run_study(beside, name)
            folders[folder.name] = folder
    for published, executed in folders.items():
        refuse_to_replace_others(root, executed, published)
    for published, executed in folders.items():
        replace_published(root, executed, published)
    if (root / "results").is_dir():
        print(f"read: {pages.render(root / 'results')}")
    _run_git(root, "worktree", "remove", "--force", str(beside))
    print(f"results/ holds what commit {commit[:12]} gives; look at it, then commit it")


def check_clean(root: Path) -> str:
    """The commit of a checkout without changes; InputError where it has some, or where git does not know the folder."""
    try:
        commit = _run_git(root, "rev-parse", "HEAD").strip()
        changed = _run_git(root, "status", "--porcelain").splitlines()
    except InputError as error:
        raise InputError(f"publish: {root} is no checkout of a commit ({error}); clone the project with git") from None
    if changed:
        raise InputError(
            f"publish: {len(changed)} files differ from the commit, such as {changed[0][3:]};"
            " commit or stash them first"
        )
    return commit


def _run_benchmarks(beside: Path) -> Path:
    """Run every benchmark, once; the folder of their tables."""
    executed = beside / EXECUTED / BENCHMARKS
    done = beside / "scratch" / "benchmarks-done"
    if not done.exists():
        for script in sorted((beside / "tests" / "bench").glob("bench_*.py")):
            _execute(beside, str(script.relative_to(beside)))
        done.touch()
    # the studies read the benchmarks of the same commit
    shutil.copytree(executed, beside / "results" / BENCHMARKS, dirs_exist_ok=True)
    return executed


def _run_study(beside: Path, name: str) -> Path:
    """Execute what is not finished of a study; the folder of its results."""
    study_file = Path("papermill_runs") / f"{name}.yaml"
    _execute(beside, "-m", "bigearth", "study", str(study_file))
    executed = beside / EXECUTED / read_yaml(beside / study_file, "study")["study"]
    if not executed.is_dir():
        raise InputError(f"publish: {executed} is missing: {name} wrote no results")
    return executed


def _execute(beside: Path, *arguments: str) -> None:
    """Run this Python on the checkout beside."""
    print(f"== {' '.join(arguments)}", flush=True)
    environment = os.environ | {"PYTHONPATH": str(beside)}
    done = subprocess.run([sys.executable, *arguments], cwd=beside, env=environment)
    if done.returncode:
        raise InputError(f"publish: {' '.join(arguments)} failed in {beside}; correct it there or here, and call again")


def replace_published(root: Path, executed: Path, name: str) -> None:
    """Put executed results in the place of those that git knows; other files in that folder stay."""
    published = root / "results" / name
    for file in _list_known(root, published):
        (root / file).unlink(missing_ok=True)
    for path in _list_results(executed):
        place = published / path.relative_to(executed)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def refuse_to_replace_others(root: Path, executed: Path, name: str) -> None:
    """Raise InputError where a file that git does not know has the name of a new one."""
    published = root / "results" / name
    known = _list_known(root, published)
    for path in _list_results(executed):
        place = published / path.relative_to(executed)
        if os.path.lexists(place) and str(place.relative_to(root)) not in known:
            raise InputError(f"publish: {place} is not known to git and would be replaced; move it first")


def _list_known(root: Path, folder: Path) -> set[str]:
    """Files of a folder that git knows, from the checkout's folder on."""
    listed = _run_git(root, "ls-files", "-z", "--", str(folder))
    return {name for name in listed.split("\0") if name}


def _list_results(executed: Path) -> Sequence[Path]:
    """Files to publish: pages are rendered anew, and what is hidden or not complete stays."""
    found = []
    for path in sorted(executed.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(executed).parts)
        if path.is_file() and not is_hidden and path.suffix != ".html" and not path.stem.endswith(".partial"):
            found.append(path)
    return found


def _run_git(root: Path, *arguments: str) -> str:
    """Return what git prints; raise InputError with its message where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    except OSError as error:
        raise InputError(f"git: {error.strerror}") from None
    if done.returncode:
        raise InputError(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout
