"""Keep what lies in a run's place before it starts: earlier trainings, results, and files that no study wrote."""

import os
import shutil
from pathlib import Path

import nbformat

from bigearth.errors import InputError
from bigearth.study.run import Run


def check_own(run: Run) -> None:
    """Raise InputError where a notebook that no study executed has the name of the executed one, or of its draft."""
    for path in (run.executed, run.partial):
        if not os.path.lexists(path):
            continue
        # a process that was killed may leave half a draft
        is_own = path.is_file() and _is_executed(path, if_broken=path == run.partial)
        if not is_own or path.is_symlink():
            raise InputError(f"{path}: no study wrote this; move it, or choose another results")


def _is_executed(path: Path, if_broken: bool) -> bool:
    """Whether papermill executed a notebook; ``if_broken`` where that cannot be read."""
    try:
        return "papermill" in nbformat.read(path, as_version=4).metadata
    except Exception:  # nbformat raises whatever a broken file makes of it
        return if_broken


def set_aside_training(run: Run, force: bool) -> None:
    """Move the old training aside (``<run>.old``) if its parameters changed or the run is forced."""
    if "training" in run.declared or "runs" in run.declared:
        return  # a map or a comparison reads trainings, whatever its own name is
    name = run.parameters.get("run")
    before = run.read_state().get("fingerprint")
    differs = before is not None and before["input"] != run.fingerprint()["input"]
    if not name or not (force or differs):
        return
    folder = run.workdir / "runs" / name
    if folder.exists():
        folder.rename(_find_free_name(folder, f"{name}.old"))


def _find_free_name(folder: Path, name: str) -> Path:
    """Find a free name beside a folder."""
    path, number = folder.with_name(name), 2
    while os.path.lexists(path):
        path, number = folder.with_name(f"{name}-{number}"), number + 1
    return path


def set_aside_folder(run: Run) -> Path:
    """Move the tables and figures of the last complete execution aside; return their new place."""
    before = run.results / f".{run.stem}.before"
    run.results.mkdir(parents=True, exist_ok=True)
    if before.exists():  # the process was killed the last time
        shutil.rmtree(run.folder, ignore_errors=True)
    elif run.folder.exists():
        run.folder.rename(before)
    return before


def keep_files_of_others(run: Run, before: Path, earlier: list[str] | None) -> None:
    """Bring back what the last execution did not write, such as notes; remove the rest of its folder.

    ``earlier`` are the last execution's outputs; where they are not known, tables and figures beside a run's provenance
    count as written. A file whose place the new execution has taken comes back as ``<name>.old``.
    """
    is_of_a_run = (before / "provenance.json").is_file()
    for path in sorted(before.rglob("*")):
        inside = path.relative_to(before)
        if earlier is None:
            is_ours = is_of_a_run and path.suffix in (".csv", ".png", ".json")
        else:
            is_ours = str(run.folder / inside) in earlier
        place = run.folder / inside
        if is_ours or (path.is_dir() and not path.is_symlink()):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(place):
            place = _find_free_name(place, f"{place.name}.old")
        path.rename(place)
    shutil.rmtree(before, ignore_errors=True)
