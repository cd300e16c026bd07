"""Bring the notebooks into the form in which JupyterLab saves them, so that none is marked as changed when opened.

Run it after editing notebooks by other means: ``.venv/bin/python tests/normalise_notebooks.py``.
"""

import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from bigearth.files import ROOT

# What JupyterLab writes for the kernel of this project's environment: Debian 12's Python.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": "3.11.2",
    },
}


def normalise(notebook: NotebookNode) -> str:
    """Text of a notebook without outputs, as JupyterLab saves it."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return nbformat.writes(notebook) + "\n"


def main(paths: list[str]) -> None:
    files = [Path(path) for path in paths] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in files:
        text = normalise(nbformat.read(path, as_version=4))
        if text != path.read_text():
            path.write_text(text)
            print(f"normalised {path.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
