"""The plan of the package: imports follow the flow of the data, nothing goes in a circle, notebooks stay thin."""

import ast
import json
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bigearth.files import ROOT

GROUND = {
    "background",
    "declarations",
    "errors",
    "files",
    "installation",
    "labels",
    "machine",
    "mpi",
    "outside",
    "parameters",
    "patch",
    "progress",
    "tables",
    "value_types",
    "yaml_files",
}
# A wing imports the ground and the wings to its left. Scores stand before training, whose loop scores each epoch.
FLOW = ("archive", "upsampling", "cube", "scores", "training", "scaling", "mapping")
# Who may import what lies beside the flow. Notebooks and tests may import all of it but `study`.
MACHINERY = {
    "cluster": {"scaling.measure", "mapping", "acceptance", "study", "__main__"},
    "miniature": set(),
    "study": {"__main__"},
    "provenance": {"training", "study", "mapping"},
    "report": set(),
    "acceptance": set(),
}
NOTEBOOK_WINGS = {
    "00_acceptance": {*FLOW, "acceptance"},
    "01_exploration": {"archive"},
    "02_preprocessing": {"cube", "upsampling"},
    "03_training": {"training"},
    "04_classification": {"scores"},
    "05_scaling": {"scaling"},
    "06_mapping": {"mapping"},
    "07_superresolution": {"upsampling"},
    "08_planning": {"scaling"},
}
SHARED_BY_NOTEBOOKS = {*GROUND, "report", "cluster.engines", "miniature"}
MOST_NAMES = 6

MODULES = {
    ".".join(path.relative_to(ROOT / "bigearth").with_suffix("").parts): path
    for path in sorted((ROOT / "bigearth").rglob("*.py"))
    if path.name != "__init__.py"
}
FOLDERS = {path.parent.name for path in (ROOT / "bigearth").glob("*/__init__.py")}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def imports_of(source: str) -> set[tuple[str, str | None]]:
    """Imports of the package in a source, also inside functions: (module without "bigearth.", name or None)."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {(a.name.removeprefix("bigearth."), None) for a in node.names if a.name.startswith("bigearth.")}
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "bigearth":
            folder = node.module.partition(".")[2]
            for alias in node.names:
                inner = f"{folder}.{alias.name}".lstrip(".")
                is_module = inner in MODULES or inner in FOLDERS
                found.add((inner, None) if is_module else (folder, alias.name))
    return found


def wing_of(module: str) -> str:
    return module.partition(".")[0]


def allowed(importer: str, imported: str) -> bool:
    """Whether a module may import another one of another wing."""
    source, target = wing_of(importer), wing_of(imported)
    if target in GROUND:
        return True
    if source in GROUND:
        return False
    if target in MACHINERY:
        return importer in MACHINERY[target] or source in MACHINERY[target]
    if source in FLOW:
        return FLOW.index(target) < FLOW.index(source)
    return source in MACHINERY or source == "__main__"


ARROWS = {name: {target for target, _ in imports_of(path.read_text())} for name, path in MODULES.items()}


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """A circle of the arrows; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_circle_between_files():
    assert not circle(ARROWS)


def test_no_circle_between_folders():
    folders = defaultdict(set)
    for source, targets in ARROWS.items():
        folders[wing_of(source)] |= {wing_of(target) for target in targets} - {wing_of(source)}
    assert not circle(folders)


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"a"}})


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_flow(module):
    beyond = [t for t in ARROWS[module] if wing_of(t) != wing_of(module) and not allowed(module, t)]
    assert not beyond, f"bigearth/{module.replace('.', '/')}.py imports {beyond}, against DESIGN's order {FLOW}"


def test_every_folder_is_in_the_plan():
    known = GROUND | set(FLOW) | set(MACHINERY) | {"__main__"}
    assert {wing_of(module) for module in MODULES} <= known


def test_imports_against_the_flow_are_found():
    assert not allowed("archive.index", "cube.layout")
    assert not allowed("cube.reading", "cluster.engines")
    assert not allowed("patch", "archive.index")
    assert allowed("cube.reading", "archive.index") and allowed("scaling.measure", "cluster.engines")


@pytest.mark.parametrize("module", MODULES)
def test_no_private_name_of_another_module(module):
    tree = ast.parse(MODULES[module].read_text())
    taken = [(target, name) for target, name in imports_of(ast.unparse(tree)) if name and name.startswith("_")]
    bound = {target.rpartition(".")[2] for target, name in imports_of(ast.unparse(tree)) if name is None}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            taken += [(node.value.id, node.attr)] * private
    assert not taken


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__main__"])
def test_every_module_has_its_tests(module):
    folder, _, name = module.rpartition(".")
    assert (ROOT / "tests" / folder / f"test_{name}.py").exists()


def names_used(source: str) -> set[tuple[str, str]]:
    """Names of the package that a notebook uses: (module, name); of an imported module each attribute counts."""
    tree = ast.parse(source)
    used = {(module, name) for module, name in imports_of(source) if name}
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "bigearth":
            for alias in node.names:
                inner = f"{node.module.partition('.')[2]}.{alias.name}".lstrip(".")
                if inner in MODULES or inner in FOLDERS:
                    bound[alias.asname or alias.name] = inner
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            used.add((bound[node.value.id], node.attr))
    return used


def code_of(path: Path) -> str:
    cells = json.loads(path.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_thin(path):
    used = names_used(code_of(path))
    assert len(used) <= MOST_NAMES, f"{path.stem} uses {len(used)} names: {sorted(used)}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_use_their_own_wing(path):
    own = NOTEBOOK_WINGS[path.stem] | SHARED_BY_NOTEBOOKS
    beyond = {module for module, _ in names_used(code_of(path)) if not own & {module, wing_of(module)}}
    assert not beyond, f"{path.stem} imports {sorted(beyond)}"


def test_attributes_of_a_module_count_one_each():
    lines = (
        "from bigearth.scores import metrics",
        "from bigearth.files import ROOT",
        "metrics.counts(1), metrics.decide(2)",
    )
    source = "\n".join(lines)
    assert names_used(source) == {("scores.metrics", "counts"), ("scores.metrics", "decide"), ("files", "ROOT")}
    folder = "from bigearth import report\nreport.Page, report.draw_gallery"
    assert names_used(folder) == {("report", "Page"), ("report", "draw_gallery")}
