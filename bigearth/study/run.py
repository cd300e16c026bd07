"""What a study's driver knows of each run: what it depended on, whether it is finished, and who is at it now."""

import hashlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from bigearth import files
from bigearth.errors import InputError
from bigearth.files import resolve

INPUTS = ("archive", "tiles", "exclude", "splits")  # parameters whose files a run reads and no run writes


def finished(study, run):
    """Whether the run was executed with this notebook, parameters and inputs, and all that it wrote is still there."""
    state = read(study, run)
    return (
        state.get("finished", False)
        and state["fingerprint"]["all"] == fingerprint(study, run)["all"]
        and all(Path(output).exists() for output in state["outputs"])
    )


def fingerprint(study, run):
    """What a run's result depends on, as two digests: ``input`` without the notebook's code, and ``all`` with it."""
    by_name = {other.name: other for other in study.runs}
    # the launcher starts the same workers in another way
    parameters = {key: value for key, value in run.parameters.items() if key != "launcher"}
    parents = [fingerprint(study, by_name[name])["input"] for name in run.after]
    inputs = json.dumps([str(run.notebook), parameters, _inputs(run), parents], sort_keys=True, default=str)
    cells = nbformat.read(run.notebook, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return {
        "input": hashlib.sha256(inputs.encode()).hexdigest(),
        "all": hashlib.sha256(f"{inputs}\n{code}".encode()).hexdigest(),
    }


def _inputs(run):
    """Size and time of every file that the run reads, as far as its parameters name it."""
    names = INPUTS if "archive" in run.declared else (*INPUTS, "cube")  # whoever reads the archive writes the cube
    given = [run.parameters.get(name) for name in names]
    paths = [value for item in given for value in (item if isinstance(item, list) else [item]) if value]
    paths += [run.workdir / "runs" / name / "predictions.h5" for name in run.parameters.get("runs") or ()]
    found = {str(path): resolve(path) for path in paths}
    return {name: [p.stat().st_size, p.stat().st_mtime_ns] if p.exists() else None for name, p in found.items()}


def partial(run):
    """The executed notebook while it runs, and after it failed."""
    return run.results / f"{run.stem}.partial.ipynb"


def folder(study, run):
    """Where the driver keeps what it knows of a study's runs, beside what they wrote."""
    return run.workdir / "studies" / study.name


def locked(study, run, name):
    """Hold the lock ``name`` of a study."""
    return files.locked(folder(study, run) / f"{name}.lock", f"study {study.name}")


def check_writable(run):
    """InputError where the run's results cannot be written."""
    try:
        run.results.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=run.results).close()
    except OSError as error:
        raise InputError(
            f"{run.results}: cannot be written ({error.strerror}); choose another results or workdir"
        ) from None


def outputs(run):
    """Files that the run has written: all of them must still be there for it to count as finished."""
    made = [run.results / f"{run.stem}.ipynb", *sorted((run.results / run.stem).rglob("*"))]
    if "cube" in run.parameters:
        made.append(resolve(run.parameters["cube"]))
    if "run" in run.parameters:
        made.append(run.workdir / "runs" / run.parameters["run"] / "predictions.h5")
    return [path for path in made if path.exists()]


def read(study, run):
    """The run's state as `write` left it; empty where there is none."""
    try:
        return json.loads((folder(study, run) / f"{run.stem}.json").read_text())
    except (OSError, ValueError):
        return {}


def write(study, run, state):
    """Keep the run's state: its fingerprint, whether it finished, its outputs."""
    path = folder(study, run) / f"{run.stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".json.partial")
    beside.write_text(json.dumps(state, indent=1) + "\n")
    beside.replace(path)


@dataclass(frozen=True)
class Run:
    """One notebook to execute.

    Attributes
    ----------
    name : str
        What ``after``, ``--run`` and Slurm call it.
    notebook : Path
    stem : str
        Name of its files in ``results``.
    parameters : dict
        What the notebook gets.
    declared : dict
        Every parameter that the notebook declares, with its default's source text.
    resources : dict
        For Slurm: nodes, tasks_per_node, gpus_per_task, cpus_per_task, memory, time.
    after : tuple of str
        Names of the runs it needs.
    results, workdir : Path
    """

    name: str
    notebook: Path
    stem: str
    parameters: dict
    declared: dict
    resources: dict
    results: Path
    workdir: Path
    after: tuple = field(default=())


@dataclass(frozen=True)
class Study:
    """A validated study; its runs in an order in which each comes after those it needs."""

    name: str
    path: Path
    runs: tuple
