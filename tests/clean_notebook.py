"""Strip a notebook to the form in which it is committed: ``python tests/clean_notebook.py [FILE ...]``

Git's filter ``nbstripout`` (set by setup.sh, used by .gitattributes) gives the notebook on standard input and takes
what is to be committed from standard output; files named on the command line are rewritten. Outputs and counts
go; kernel and language are written as JupyterLab writes them, whatever this machine's Python, so that opening, running
and saving a notebook changes nothing that git sees.

`git diff` asks the filter; `git status` compares the file's size instead, until `git add` has looked at it. So
JupyterLab of this .venv calls `refresh_after_save` whenever it saves a notebook.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbstripout import strip_output

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
    "version": "3.11.2",  # Debian 12's
}
RUN_TIME_KEYS = ("collapsed", "execution", "scrolled", "ExecuteTime", "editable", "trusted")  # of a cell's metadata


def clean(text: str) -> str:
    """The committed form of a notebook's text; what is no notebook stays as it is."""
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception:  # whatever a broken file raises: git must be able to show it
        return text
    notebook = strip_output(notebook, keep_output=False, keep_count=False, keep_id=True)
    for cell in notebook.cells:
        for key in RUN_TIME_KEYS:
            cell.metadata.pop(key, None)
        if cell.metadata.get("jupyter"):
            cell.metadata.jupyter.pop("outputs_hidden", None)
    if notebook.metadata.get("kernelspec", {}).get("name", "python3") == "python3":
        notebook.metadata["kernelspec"] = KERNEL
    notebook.metadata["language_info"] = LANGUAGE
    for key in set(notebook.metadata) - {"kernelspec", "language_info"}:
        del notebook.metadata[key]
    notebook.nbformat_minor = 5
    return nbformat.writes(notebook) + "\n"


def refresh_after_save(os_path: str, model: dict[str, Any], **_: Any) -> None:
    """Tell git that a saved notebook is what it was; one whose cells were edited is left as it is.

    A ``post_save_hook`` of Jupyter's server.
    """
    path = Path(os_path)
    if model["type"] != "notebook" or path.parent.name != "notebooks":
        return
    git = ["git", "-C", str(path.parent)]
    try:
        known = subprocess.run([*git, "show", f":./{path.name}"], capture_output=True, text=True, check=True).stdout
        if clean(path.read_text()) == known:
            subprocess.run([*git, "add", "--", path.name], capture_output=True, check=True)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return  # not in a checkout, or not known to git


def main() -> None:
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(clean(path.read_text()))
    if not sys.argv[1:]:
        sys.stdout.write(clean(sys.stdin.read()))


if __name__ == "__main__":
    main()
