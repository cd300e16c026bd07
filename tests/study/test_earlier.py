"""What was there before a run stays, unless the run itself wrote it."""

import pytest

from bigearth.__main__ import main
from bigearth.study import execute
from tests.study.conftest import WRITE, write_notebook

PARAMETERS = "value = 1  # any\nresults = ''  # folder\nstem = 'table'  # its folder"


@pytest.fixture(autouse=True)
def site(monkeypatch):
    """Rendering pages is another module's job."""
    monkeypatch.setattr(execute, "render", lambda results: None)


def test_a_file_that_the_run_did_not_write_stays(write, table, tmp_path):
    assert main(["study", str(write({"notebook": table}))]) == 0
    notes = tmp_path / "results" / "table" / "notes.txt"
    own = tmp_path / "results" / "table" / "more" / "own.csv"
    notes.write_text("mine")
    own.parent.mkdir()
    own.write_text("mine")
    for value in (2, 3):  # twice: the first time must not make them the run's own
        assert main(["study", str(write({"notebook": table, "parameters": {"value": value}}))]) == 0
        assert notes.read_text() == own.read_text() == "mine"
        assert (tmp_path / "results" / "table" / "table.csv").read_text() == f"{value}\n"


def test_a_file_that_the_run_did_not_write_stays_after_a_failure(write, tmp_path):
    code = WRITE + "\nif value == 2:\n    raise ValueError"
    book = write_notebook(tmp_path / "table.ipynb", code, parameters=PARAMETERS)
    own = tmp_path / "results" / "table" / "own.csv"
    for value, status in ((1, 0), (2, 1), (3, 0)):
        assert main(["study", str(write({"notebook": book, "parameters": {"value": value}}))]) == status
        if value == 1:
            own.write_text("mine")
        assert own.read_text() == "mine"


def test_files_of_a_folder_that_no_study_wrote_stay(write, table, tmp_path):
    folder = tmp_path / "results" / "table"
    folder.mkdir(parents=True)
    (folder / "table.csv").write_text("mine")
    (folder / "own.csv").write_text("mine")
    (folder / "link").symlink_to(tmp_path)
    assert main(["study", str(write({"notebook": table}))]) == 0
    assert (folder / "table.csv.old").read_text() == (folder / "own.csv").read_text() == "mine"
    assert (folder / "table.csv").read_text() == "1\n"
    assert (folder / "link").is_symlink()


def test_a_draft_of_somebody_else_is_not_replaced(write, table, tmp_path, capsys):
    (tmp_path / "results").mkdir()
    mine = tmp_path / "results" / "table.partial.ipynb"
    mine.write_text((tmp_path / "table.ipynb").read_text())
    before = mine.read_text()
    assert main(["study", str(write({"notebook": table}))]) == 2
    assert "table.partial.ipynb: no study wrote this" in capsys.readouterr().err
    assert mine.read_text() == before


def test_a_notebook_of_somebody_else_is_not_replaced(write, table, tmp_path, capsys):
    (tmp_path / "results").mkdir()
    mine = tmp_path / "results" / "table.ipynb"
    for content in ("mine", (tmp_path / "table.ipynb").read_text()):
        mine.write_text(content)
        assert main(["study", str(write({"notebook": table}))]) == 2
        assert "no study wrote this; move it" in capsys.readouterr().err
        assert mine.read_text() == content
    mine.unlink()
    (tmp_path / "elsewhere.ipynb").write_text("mine")
    mine.symlink_to(tmp_path / "elsewhere.ipynb")
    assert main(["study", str(write({"notebook": table}))]) == 2
    assert (tmp_path / "elsewhere.ipynb").read_text() == "mine"


def test_no_earlier_training_is_ever_removed(write, tmp_path):
    parameters = "run: str = 'x'  # name\nworkdir: str = ''  # folder"
    code = "from pathlib import Path\n(Path(workdir) / 'runs' / run).mkdir(parents=True, exist_ok=True)"
    book = write_notebook(tmp_path / "train.ipynb", code, parameters=parameters)
    runs = tmp_path / "work" / "runs"
    (runs / "r.old").mkdir(parents=True)
    (runs / "r.old" / "mine.txt").write_text("mine")
    path = str(write({"notebook": book, "name": "r"}))
    for _ in range(3):
        assert main(["study", path, "--force"]) == 0
    assert sorted(folder.name for folder in runs.iterdir()) == ["r", "r.old", "r.old-2", "r.old-3"]
    assert (runs / "r.old" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("reads", ["training = 'r'  # name", "runs = ['r']  # names"])
def test_a_map_leaves_the_training_of_its_name(write, tmp_path, reads):
    parameters = f"{reads}\nrun = ''  # name of the map\nworkdir = ''  # folder"
    book = write_notebook(tmp_path / "map.ipynb", "print(run)", parameters=parameters)
    (tmp_path / "work" / "runs" / "r").mkdir(parents=True)
    for _ in range(2):
        assert main(["study", str(write({"notebook": book, "name": "r"})), "--force"]) == 0
    assert [folder.name for folder in (tmp_path / "work" / "runs").iterdir()] == ["r"]
