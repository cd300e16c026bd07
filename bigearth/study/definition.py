"""A study: a YAML that says which notebook runs with which parameters, on which resources, after which run."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from bigearth.declarations import Parameter, read_declared
from bigearth.errors import InputError
from bigearth.files import ROOT, resolve
from bigearth.parameters import convert, shorten, suggest
from bigearth.study.keys import check_keys, check_name
from bigearth.study.resources import check_resources
from bigearth.study.run import Run, Study
from bigearth.yaml_files import read_yaml

STUDY_KEYS = {"study": "str", "defaults": "dict", "runs": "list"}
RUN_KEYS = {
    "notebook": "str",
    "name": "str",
    "parameters": "dict",
    "resources": "dict",
    "repeats": "int",
    "after": "list[str]",
}
RUNS_LIMIT = 1000  # runs of a study


@dataclass(frozen=True)
class Entry:
    """An entry of ``runs``: one run, or one for each number of nodes and each repeat."""

    where: str  # for messages
    name: str
    is_named: bool
    notebook: Path
    declared: dict[str, Parameter]
    parameters: dict[str, Any]
    resources: dict[str, Any]
    nodes: list[int]
    names_nodes: bool  # whether several numbers of nodes were asked for
    repeats: int
    after: list[str]

    def variants(self) -> Iterator[tuple[str, int, int]]:
        """Name, number of nodes and repeat of each run."""
        for nodes in self.nodes:
            for repeat in range(1, self.repeats + 1):
                name = self.name
                if self.names_nodes:
                    name += f"-n{nodes}"
                if self.repeats > 1:
                    name += f"-s{repeat}"
                yield name, nodes, repeat


def load(path: str | Path) -> Study:
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
        Anything that could not run: an unknown name, a value of another type, a missing notebook, a cycle.
    """
    path = Path(path)
    content = check_keys(read_yaml(path, "study"), STUDY_KEYS, f"{path}", required=("study", "runs"))
    name = check_name(content["study"], f"{path}: study")
    defaults = {"results": f"scratch/results/{name}", "workdir": f"scratch/{name}"} | content.get("defaults", {})
    for key in ("results", "workdir"):
        if not isinstance(defaults[key], str) or not defaults[key].strip():
            raise InputError(f"{path}: defaults: {key} is {defaults[key]!r}; give a folder or leave the line out")
    entries = _read_entries(content["runs"], path)
    _check_defaults(content.get("defaults", {}), entries.values(), path)
    members = {entry.name: [name for name, _, _ in entry.variants()] for entry in entries.values()}
    runs: dict[str, Run] = {}
    for entry in _order_entries(entries, path):
        parents = tuple(runs[single] for group in entry.after for single in members[group])
        for run in _expand_entry(entry, parents, members, defaults, name, path.resolve()):
            if run.name in runs:
                raise InputError(f"{path}: two runs have the name {run.name!r}; rename one")
            runs[run.name] = run
            _check_number(len(runs), f"{path}")
    _check_stems(runs.values(), path)
    return Study(name, path.resolve(), tuple(runs.values()))


def check_run_names(names: Iterable[str], study: Study) -> None:
    """Raise InputError where a name given by ``--run`` is none of the study's runs."""
    known = [run.name for run in study.runs]
    for name in names:
        if name not in known:
            raise InputError(f"--run {shorten(name)}: {study.path.name} has no such run; {suggest(name, known)}")


# ---- one entry of the file ----


def _read_entries(content: list, path: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    notebooks: dict[Path, dict[str, Parameter]] = {}
    for position, item in enumerate(content, 1):
        entry = _read_entry(item, f"{path}: run {position}", path, notebooks)
        if entry.name in entries:
            raise InputError(f"{path}: two runs are named {entry.name!r}; give each a name of its own")
        entries[entry.name] = entry
    return entries


def _read_entry(item: Any, where: str, path: Path, notebooks: dict[Path, dict[str, Parameter]]) -> Entry:
    """Check one entry; ``notebooks`` remembers the parameters of those that were read before."""
    item = check_keys(item, RUN_KEYS, where, required=("notebook",))
    notebook = _find_notebook(item["notebook"], path)
    name = check_name(item.get("name", notebook.stem), f"{where}: name")
    where = f"{path}: run {name}"
    if notebook not in notebooks:
        notebooks[notebook] = read_declared(notebook)
    declared = notebooks[notebook]
    given = item.get("parameters", {})
    for key in given:
        if key not in declared:
            raise InputError(
                f"{where}: parameter {key!r} is not declared in the parameters cell of {notebook.name};"
                f" {suggest(key, declared)}"
            )
    if "name" in item and "run" in given:
        raise InputError(f"{where}: the parameter run is the run's name; leave it out")
    asked = item.get("resources", {})
    resources = check_resources(asked, f"{where}: resources")
    nodes = resources.pop("nodes", [1])
    entry = Entry(
        where=where,
        name=name,
        is_named="name" in item,
        notebook=notebook,
        declared=declared,
        parameters=_convert_parameters(given, declared, where),
        nodes=nodes,
        names_nodes=len(nodes) > 1 or isinstance(asked.get("nodes"), list),
        resources=resources,
        repeats=item.get("repeats", 1),
        after=item.get("after", []),
    )
    _check_repeats(entry)
    return entry


def _convert_parameters(given: dict[str, Any], declared: dict[str, Parameter], where: str) -> dict[str, Any]:
    """Values of parameters, each converted to its declared type."""
    return {name: convert(f"{where}: {name}", value, declared[name].type) for name, value in given.items()}


def _find_notebook(text: str, path: Path) -> Path:
    """``03_training`` is a notebook of the project; with a suffix it is a path."""
    if text.endswith(".ipynb"):
        file, hint = resolve(text), "check the path"
    else:
        file = resolve(f"notebooks/{text}.ipynb")
        hint = suggest(text, sorted(known.stem for known in (ROOT / "notebooks").glob("*.ipynb")))
    if not file.is_file():
        raise InputError(f"{path}: notebook {shorten(text)} is missing: there is no {file}; {hint}")
    return file


def _check_repeats(entry: Entry) -> None:
    where, notebook = entry.where, entry.notebook.name
    if entry.repeats < 1:
        raise InputError(f"{where}: repeats is {entry.repeats}; it must be 1 or more")
    _check_number(entry.repeats * len(entry.nodes), where)
    if len(set(entry.nodes)) < len(entry.nodes):
        raise InputError(f"{where}: resources: nodes is {entry.nodes}; give each number once")
    if entry.repeats > 1 and "seed" not in entry.declared:
        raise InputError(f"{where}: repeats need a parameter 'seed' in {notebook}")
    if len(entry.nodes) * entry.repeats > 1 and not entry.is_named:
        raise InputError(f"{where}: several node counts or repeats need a name")


def _check_number(runs: int, where: str) -> None:
    if runs > RUNS_LIMIT:
        raise InputError(f"{where}: {runs:,} runs; at most {RUNS_LIMIT:,} are possible: make several studies")


# ---- the runs of an entry ----


def _expand_entry(
    entry: Entry,
    parents: tuple[Run, ...],
    members: dict[str, list[str]],
    defaults: dict[str, Any],
    study: str,
    study_file: Path,
) -> Iterator[Run]:
    """The runs of an entry; ``members`` are the names of the runs of every entry."""
    shared = {key: value for key, value in defaults.items() if key in entry.declared}
    parameters = _convert_parameters(shared, entry.declared, f"{study_file.name}: defaults") | entry.parameters
    if isinstance(parameters.get("runs"), list):
        parameters["runs"] = [single for name in parameters["runs"] for single in members.get(name, [name])]
    for key in ("results", "workdir"):
        if not str(parameters.get(key, "folder")).strip():
            raise InputError(f"{entry.where}: {key} is empty; give a folder or leave the line out")
    folders = {key: convert(f"{entry.where}: {key}", defaults[key], "str") for key in ("results", "workdir")}
    folders |= {key: parameters[key] for key in folders if isinstance(parameters.get(key), str)}
    for name, nodes, repeat in entry.variants():
        own = dict(parameters)
        if entry.is_named and "run" in entry.declared:
            own["run"] = name
        if entry.repeats > 1:
            own["seed"] = own.get("seed", entry.declared["seed"].default) + repeat - 1
        yield Run(
            study=study,
            study_file=study_file,
            name=name,
            notebook=entry.notebook,
            stem=f"{entry.notebook.stem}-{name}" if entry.is_named else entry.notebook.stem,
            parameters=own,
            declared=entry.declared,
            resources={"nodes": nodes} | entry.resources,
            results=resolve(folders["results"]),
            workdir=resolve(folders["workdir"]),
            after=parents,
        )


# ---- what concerns several entries ----


def _check_defaults(defaults: dict[str, Any], entries: Collection[Entry], path: Path) -> None:
    """Each default must be a parameter of one of the notebooks at least."""
    known = {"results", "workdir"}
    for entry in entries:
        known |= set(entry.declared)
    for key in defaults:
        if key not in known:
            raise InputError(f"{path}: defaults: no notebook of the study declares {key!r}; {suggest(key, known)}")


def _order_entries(entries: dict[str, Entry], path: Path) -> list[Entry]:
    """The entries in the file's order, but each after those it needs."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for entry in entries.values():
        for name in entry.after:
            if name not in entries:
                hint = suggest(name, entries)
                raise InputError(f"{entry.where}: after names {shorten(name)}, which is no run of this study; {hint}")
        sorter.add(entry.name, *entry.after)
    try:
        sorter.prepare()
    except CycleError as error:
        raise InputError(f"{path}: after: a cycle among {', '.join(sorted(set(error.args[1])))}") from None
    positions = list(entries)
    ordered: list[Entry] = []
    ready: list[str] = []
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=positions.index)
        first = ready.pop(0)
        ordered.append(entries[first])
        sorter.done(first)
    return ordered


def _check_stems(runs: Iterable[Run], path: Path) -> None:
    """Two runs must not write the same files, and none the notebook that it executes."""
    seen = set()
    for run in runs:
        if run.stem.endswith(".partial"):
            raise InputError(f"{path}: run {run.name}: a name cannot end with .partial, as drafts do; rename it")
        if run.executed.resolve() == run.notebook.resolve():
            raise InputError(f"{path}: run {run.name} would replace its own notebook; choose another results")
        if (run.results, run.stem) in seen:
            raise InputError(f"{path}: two runs have the stem {run.stem!r}; rename one")
        seen.add((run.results, run.stem))
