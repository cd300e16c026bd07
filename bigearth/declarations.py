"""The parameters that a notebook declares, in the running notebook or in its file.

A parameters cell holds nothing but lines such as ``epochs: int = 24  # passes``. papermill cannot read ``int | None``,
so that type is written in words: ``workers: "int or None" = 2``.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from bigearth.errors import InputError
from bigearth.parameters import convert_all, suggest
from bigearth.value_types import read_type

INJECTED = "# Parameters"  # first line of the cell that papermill adds


@dataclass(frozen=True)
class Parameter:
    """A parameter as a parameters cell declares it: its type (`Any` where it has none) and its default."""

    type: Any
    default: Any


@dataclass(frozen=True)
class _Assignment:
    """A line of a parameters cell; ``annotation`` is its text, without quotes."""

    name: str
    annotation: str | None
    default: Any


def of_notebook() -> dict[str, Any]:
    """Convert the parameters of the notebook that calls this, in its namespace.

    The declared ones are those of the last parameters cell that was run: a cell of annotated assignments. Names that
    papermill's own cell adds to them are refused; papermill itself only warns.

    Returns
    -------
    dict
        Name to converted value.

    Raises
    ------
    InputError
        No parameters cell was run, a name is not declared, or a value is not of its type.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise InputError("parameters are read in a notebook: open one of notebooks/ in Jupyter, or run it by papermill")
    cells = [str(source) for source in shell.user_ns.get("In", [])[:-1]]  # the last one is the cell that calls
    declared: dict[str, Any] = {}
    assigned: list[str] = []
    for source in cells:
        assignments = _parse_assignments(source)
        if any(assignment.annotation for assignment in assignments):
            declared = {each.name: read_type(each.annotation) for each in assignments if each.annotation}
            assigned = [assignment.name for assignment in assignments]
        elif source.startswith(INJECTED):
            assigned += [assignment.name for assignment in assignments]
    if not declared:
        raise InputError("no parameters cell was run in this notebook: choose Run All")
    for name in assigned:
        if name not in declared:
            raise InputError(f"the parameter {name!r} is not declared; {suggest(name, declared)}")
    values = {name: shell.user_ns[name] for name in declared}
    converted = convert_all(values, declared, "parameters")
    shell.user_ns.update(converted)
    return converted


def read_declared(path: str | Path) -> dict[str, Parameter]:
    """Read the parameters that a notebook file declares, without executing it.

    Parameters
    ----------
    path : path
        A notebook whose parameters cell has papermill's tag ``parameters``.

    Returns
    -------
    dict
        Name to `Parameter`; empty where no cell has the tag.

    Raises
    ------
    InputError
        The file is no notebook, or its parameters cell holds something else than assignments of literals.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        tagged = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    except Exception as error:  # nbformat raises whatever a broken file makes of it
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a notebook that can be run: {reason}") from None
    if not tagged:
        return {}
    assignments = _parse_assignments(tagged[0])
    if tagged[0].strip() and not assignments:
        raise InputError(f"{path}: the parameters cell must hold lines such as 'epochs: int = 24  # passes'")
    declared = {}
    for assignment in assignments:
        try:
            annotation = read_type(assignment.annotation) if assignment.annotation else Any
        except InputError as error:
            raise InputError(f"{path}: {assignment.name}: {error}") from None
        declared[assignment.name] = Parameter(annotation, assignment.default)
    return declared


def _parse_assignments(source: str) -> list[_Assignment]:
    """The assignments of a cell that holds nothing but assignments to names; none for any other cell."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError):
        return []
    found = []
    for statement in statements:
        annotation = None
        target: ast.expr
        if isinstance(statement, ast.AnnAssign):
            target, value = statement.target, statement.value
            annotation = ast.unparse(statement.annotation)
            if isinstance(statement.annotation, ast.Constant):  # in quotes
                annotation = str(statement.annotation.value)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        else:
            return []
        if not isinstance(target, ast.Name) or value is None:
            return []
        found.append(_Assignment(target.id, annotation, _read_literal(value)))
    return found


def _read_literal(node: ast.expr) -> Any:
    """The value of a literal; the source of anything else."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
