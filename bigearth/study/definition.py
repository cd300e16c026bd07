"""A study: a YAML that says which notebook runs with which parameters, on which resources, after which run."""

import difflib
import re
from dataclasses import replace
from pathlib import Path

import papermill
import yaml

from bigearth.errors import InputError
from bigearth.files import ROOT, resolve
from bigearth.study.run import Run, Study

STUDY_KEYS = {"study": str, "defaults": dict, "runs": list}
RUN_KEYS = {"notebook": str, "name": str, "parameters": dict, "resources": dict, "repeats": int, "after": list}
RESOURCES = {
    "nodes": int,
    "tasks_per_node": int,
    "gpus_per_task": int,
    "cpus_per_task": int,
    "memory": str,
    "time": str,
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # it becomes a file name and a job name


def load(path):
    """Read and check a study.

    Parameters
    ----------
    path : path
        The YAML file.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        Anything that could not run: an unknown key, a missing notebook, an undeclared parameter, a cycle.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    _check(content, STUDY_KEYS, f"{path}", required=("study", "runs"))
    name = _name(content["study"], f"{path}: study")
    defaults = {"results": f"results/{name}", "workdir": f"scratch/{name}"} | (content.get("defaults") or {})
    for key in ("results", "workdir"):
        if not isinstance(defaults[key], str):
            raise InputError(f"{path}: defaults: {key} is {defaults[key]!r}; give a folder or leave the line out")
    groups, notebooks = {}, {}
    for position, entry in enumerate(content["runs"], 1):
        _check(entry, RUN_KEYS, f"{path}: run {position}", required=("notebook",))
        file = _notebook(entry["notebook"], path)
        base = _name(entry.get("name", file.stem), f"{path}: run {position}: name")
        if base in groups:
            raise InputError(f"{path}: two runs are named {base!r}; give each a name of its own")
        if file not in notebooks:
            notebooks[file] = _declared(file)
        groups[base] = _expand(entry, base, file, notebooks[file], defaults, f"{path}: run {base}")
    for key in content.get("defaults") or {}:
        if key not in ("results", "workdir") and not any(key in found for found in notebooks.values()):
            raise InputError(f"{path}: defaults: no notebook of the study declares {key!r}")
    members = {base: tuple(run.name for run in runs) for base, runs in groups.items()}
    runs = [_linked(run, members, path) for group in groups.values() for run in group]
    for what in ("name", "stem"):
        seen = [getattr(run, what) for run in runs]
        if doubled := {value for value in seen if seen.count(value) > 1}:
            raise InputError(f"{path}: two runs have the {what} {min(doubled)!r}; rename one")
    return Study(name, path.resolve(), tuple(_ordered(runs, path)))


def _check(content, keys, where, required=()):
    if not isinstance(content, dict):
        raise InputError(f"{where}: must be a mapping with {', '.join(keys)}")
    for key, value in content.items():
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, 1)
            known = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(keys)}"
            raise InputError(f"{where}: unknown key {key!r}; {known}")
        if value is None and keys[key] in (int, str):
            raise InputError(f"{where}: {key} has no value; give it one or leave the line out")
        if value is not None and (not isinstance(value, keys[key]) or isinstance(value, bool)):
            hint = '; write it in quotes, as "10:00:00"' if key == "time" else ""
            raise InputError(f"{where}: {key} is {value!r}, not of type {keys[key].__name__}{hint}")
    for key in required:
        if not content.get(key):
            raise InputError(f"{where}: {key} is missing")


def _name(text, where):
    if not NAME.fullmatch(text):
        raise InputError(f"{where}: {text!r} cannot be a name; use letters, digits, '.', '_' and '-'")
    return text


def _notebook(text, path):
    """``03_training`` is a notebook of the project; with a suffix it is a path."""
    file = resolve(text) if text.endswith(".ipynb") else ROOT / "notebooks" / f"{text}.ipynb"
    if not file.is_file():
        raise InputError(f"{path}: notebook {text!r} is missing: there is no {file}")
    return file


def _declared(file):
    """Parameters of a notebook's parameters cell, each with its default's source text."""
    try:
        return {key: found["default"] for key, found in papermill.inspect_notebook(file).items()}
    except Exception as error:  # papermill and nbformat have no common one
        raise InputError(f"{file}: not a notebook that can be run: {' '.join(str(error).split())[:200]}") from None


def _expand(entry, base, file, declared, defaults, where):
    """One run, or one for each number of nodes and each repeat."""
    given = entry.get("parameters") or {}
    for key in given:
        if key not in declared:
            near = difflib.get_close_matches(str(key), declared, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{where}: parameter {key!r} is not declared in the parameters cell of {file.name}{hint}")
    if "run" in declared and "name" in entry and "run" in given:
        raise InputError(f"{where}: the parameter run is the run's name; leave it out")
    resources = dict(entry.get("resources") or {})
    nodes = resources.pop("nodes", 1)
    counts = nodes if isinstance(nodes, list) else [nodes]
    repeats = entry.get("repeats", 1)
    if repeats < 1 or not counts:
        raise InputError(f"{where}: repeats and nodes must be 1 or more")
    if repeats > 1 and "seed" not in declared:
        raise InputError(f"{where}: repeats need a parameter 'seed' in {file.name}")
    if len(counts) * repeats > 1 and "name" not in entry:
        raise InputError(f"{where}: several node counts or repeats need a name")
    runs = []
    for count in counts:
        asked = {"nodes": count} | resources
        _check(asked, RESOURCES, f"{where}: resources")
        if any(value < 1 for key, value in asked.items() if RESOURCES[key] is int and key != "gpus_per_task"):
            raise InputError(f"{where}: resources: nodes, tasks and cores must be 1 or more")
        if "time" in asked and not re.fullmatch(r"(\d+-)?\d{1,3}:\d\d:\d\d", asked["time"]):
            raise InputError(f"{where}: resources: time is {asked['time']!r}; write hours:minutes:seconds")
        if "memory" in asked and not re.fullmatch(r"\d+[KMGT]?", asked["memory"]):
            raise InputError(f"{where}: resources: memory is {asked['memory']!r}; write for example 64G")
        for repeat in range(1, repeats + 1):
            name = base + (f"-n{count}" if isinstance(nodes, list) else "") + (f"-s{repeat}" if repeats > 1 else "")
            parameters = {key: value for key, value in defaults.items() if key in declared} | given
            if "name" in entry and "run" in declared:
                parameters["run"] = name
            if repeats > 1:
                parameters["seed"] = parameters.get("seed", 1) + repeat - 1
            runs.append(
                Run(
                    name=name,
                    notebook=file,
                    stem=f"{file.stem}-{name}" if "name" in entry else file.stem,
                    parameters=parameters,
                    declared=declared,
                    resources=asked,
                    results=resolve(given.get("results", defaults["results"])),
                    workdir=resolve(given.get("workdir", defaults["workdir"])),
                    after=tuple(entry.get("after") or ()),
                )
            )
    return runs


def _linked(run, members, path):
    """``after`` and the parameter ``runs`` name groups: here they become the names of all their runs."""
    for name in run.after:
        if name not in members:
            raise InputError(f"{path}: run {run.name}: after names {name!r}, which is no run of this study")
    run = replace(run, after=tuple(single for name in run.after for single in members[name]))
    if isinstance(run.parameters.get("runs"), list):
        names = [single for name in run.parameters["runs"] for single in members.get(name, (name,))]
        run = replace(run, parameters=run.parameters | {"runs": names})
    return run


def _ordered(runs, path):
    ordered, waiting = [], list(runs)
    while waiting:
        placed = {run.name for run in ordered}
        ready = next((run for run in waiting if placed.issuperset(run.after)), None)
        if ready is None:
            raise InputError(f"{path}: after: a cycle among {', '.join(run.name for run in waiting)}")
        ordered.append(ready)
        waiting.remove(ready)
    return ordered
