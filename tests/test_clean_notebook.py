"""The filter that keeps outputs out of git: what a run and JupyterLab change in a notebook is not a change."""

import shlex
import subprocess
import sys

import nbformat
import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager

from bigearth.files import ROOT
from tests.clean_notebook import clean, refresh_after_save

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def run_and_save(text):
    """A notebook as JupyterLab autosaves it after Run All, on another Python."""
    notebook = nbformat.reads(text, as_version=4)
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            cell.execution_count = number
            cell.outputs = [nbformat.v4.new_output("stream", text="said")]
            cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
            cell.metadata["collapsed"] = False
    notebook.metadata["language_info"] = {"name": "python", "version": "3.12.1"}
    notebook.metadata["widgets"] = {"state": {}}
    return nbformat.writes(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_running_and_saving_changes_nothing_that_is_committed(path):
    committed = clean(path.read_text())
    assert clean(committed) == committed
    assert clean(run_and_save(committed)) == committed


def test_a_changed_cell_is_a_change():
    text = NOTEBOOKS[0].read_text()
    notebook = nbformat.reads(text, as_version=4)
    notebook.cells[1].source += "\n# more"
    assert clean(nbformat.writes(notebook)) != clean(text)


def test_another_kernel_is_kept():
    notebook = nbformat.reads(NOTEBOOKS[0].read_text(), as_version=4)
    notebook.metadata["kernelspec"] = {"name": "bigearth", "display_name": "bigearth", "language": "python"}
    assert '"name": "bigearth"' in clean(nbformat.writes(notebook))


def test_what_is_no_notebook_stays():
    for text in ("", "{", "{}", "[1]"):
        assert clean(text) == text


@pytest.fixture
def checkout(tmp_path):
    """Runs git in a checkout with one notebook and the filter as setup.sh sets it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "a.ipynb").write_text(clean(NOTEBOOKS[0].read_text()))
    (tmp_path / ".gitattributes").write_text((ROOT / ".gitattributes").read_text())
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'tests/clean_notebook.py'))}"

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout

    git("init", "-q")
    git("config", "filter.nbstripout.clean", command)
    git("config", "filter.nbstripout.smudge", "cat")
    git("add", ".")
    git("commit", "-qm", "first")
    return git


def test_git_sees_no_change(checkout, tmp_path):
    """Saved by Jupyter's own manager of files, with the hook."""
    path = tmp_path / "notebooks" / "a.ipynb"
    saved = nbformat.reads(run_and_save(path.read_text()), as_version=4)
    manager = FileContentsManager(root_dir=str(tmp_path), post_save_hook=refresh_after_save)
    manager.save({"type": "notebook", "format": "json", "content": saved}, "notebooks/a.ipynb")
    assert '"said"' in path.read_text()  # the outputs stay on disk
    assert checkout("status", "--porcelain") == "" and checkout("diff", "HEAD") == ""


def test_git_sees_an_edited_cell_and_nothing_is_staged(checkout, tmp_path):
    path = tmp_path / "notebooks" / "a.ipynb"
    notebook = nbformat.reads(path.read_text(), as_version=4)
    notebook.cells[1].source += "\n# more"
    nbformat.write(notebook, path)
    refresh_after_save(str(path), {"type": "notebook"})
    assert checkout("status", "--porcelain") == " M notebooks/a.ipynb\n"


def test_saving_outside_a_checkout_is_no_error(tmp_path):
    (tmp_path / "notebooks").mkdir()
    refresh_after_save(str(tmp_path / "notebooks" / "a.ipynb"), {"type": "notebook"})
    refresh_after_save(str(tmp_path / "a.txt"), {"type": "file"})


def test_setup_sets_the_filter_in_a_checkout_only():
    script = (ROOT / "setup.sh").read_text()
    assert "git config filter.nbstripout.clean" in script and "tests/clean_notebook.py" in script
    assert 'if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then' in script
    assert "setup/jupyter_server_config.py" in script
    assert "post_save_hook = refresh_after_save" in (ROOT / "setup" / "jupyter_server_config.py").read_text()
