"""The form of the notebooks: typed parameters, short cells, helpers folded, each figure whole in one cell."""

import ast
import io
import re
import tokenize

import nbformat
import pytest

from bigearth.files import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 15
BEGIN_A_FIGURE = {"subplots", "FacetGrid", "relplot", "catplot", "displot", "jointplot", "pairplot"}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def is_parameters(cell):
    return "parameters" in cell.metadata.get("tags", [])


@each
def test_notebook_is_valid(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")


@each
def test_cell_ids_are_names_that_stay(path):
    ids = [cell.id for cell in read(path).cells]
    assert len(set(ids)) == len(ids)
    # a new cell gets eight random hexadecimal digits, or a UUID
    random = [name for name in ids if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?", name)]
    assert not random, f"{path.name}: give these cells a name: {random}"


@each
def test_parameters_are_typed_and_described(path):
    tagged = [cell for cell in code_cells(path) if is_parameters(cell)]
    assert len(tagged) == 1
    source = tagged[0].source
    described = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    for statement in ast.parse(source).body:
        assert isinstance(statement, ast.AnnAssign), f"not 'name: type = value': {ast.unparse(statement)}"
        ast.literal_eval(statement.value)  # plain literals only
        assert statement.end_lineno in described, f"parameter without its comment: {ast.unparse(statement)}"


@each
def test_cells_are_short(path):
    for cell in code_cells(path):
        if not is_parameters(cell):
            assert len(cell.source.splitlines()) <= MOST_LINES, cell.source


@each
def test_helper_cells_are_folded(path):
    for cell in code_cells(path):
        statements = ast.parse(cell.source).body
        if statements and all(isinstance(statement, ast.FunctionDef | ast.ClassDef) for statement in statements):
            assert cell.metadata.get("jupyter", {}).get("source_hidden"), cell.source


def called_names(source):
    """Names of the functions that a cell calls itself, not inside functions that it defines."""
    names = []
    waiting = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            names.append(node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
        waiting += ast.iter_child_nodes(node)
    return names


def leaves_a_figure_open(source):
    """Whether a cell begins a figure that it does not show: Jupyter would show it unfinished at the cell's end."""
    called = called_names(source)
    begins = BEGIN_A_FIGURE.intersection(called) or [name for name in called if name.startswith("draw_")]
    return bool(begins) and "figure" not in called


@each
def test_each_figure_is_begun_and_shown_in_one_cell(path):
    unfinished = [cell.source for cell in code_cells(path) if leaves_a_figure_open(cell.source)]
    assert not unfinished, unfinished[0]


def test_a_figure_left_open_is_found():
    assert leaves_a_figure_open("fig, axis = plt.subplots()\naxis.plot([1, 2])")
    assert not leaves_a_figure_open("fig, axis = plt.subplots()\npage.figure(fig, 'line', alt='A line.')")
    assert not leaves_a_figure_open("def draw(history):\n    fig, axis = plt.subplots()\n    return fig")
