"""What is read of a study's results: right where it is whole, said where it is damaged."""

import json
import os

import pytest
from nbformat import v4, write

from bigearth.study import results


def write_executed(folder, record=None, stem="03_training-rgb", **metadata):
    """An executed notebook with its provenance; ``record`` is a value or the file's text."""
    (folder / stem).mkdir(parents=True)
    if record is not None:
        text = record if isinstance(record, str) else json.dumps(record)
        (folder / stem / "provenance.json").write_text(text)
    cells = [v4.new_markdown_cell("# Training"), v4.new_code_cell("1", execution_count=1)]
    write(v4.new_notebook(cells=cells, metadata=metadata), folder / f"{stem}.ipynb")
    return folder / f"{stem}.ipynb"


def test_a_page_says_where_it_comes_from(tmp_path):
    record = {"study": "tiny", "wall_seconds": 75, "gpu_hours": 2, "machine": {"nodes": 3, "cores": 2}, "workers": 4}
    page = results.read_page(write_executed(tmp_path, record))
    assert page.title == "Training (rgb)" and page.state == "finished"
    told = dict(page.provenance)
    assert told["nodes"] == 3 and told["workers"] == 4 and told["duration"] == "01:15" and page.gpu_hours == 2


@pytest.mark.parametrize("record", ["{", "[]", "null", "5", "{" * 10_000, '{"machine": 1}', '{"wall_seconds": "long"}',
                                    '{"started": 5, "parameters": [1]}', '{"gpu_hours": NaN}', '{"wall_seconds": -5}',
                                    '{"wall_seconds": 1e300}'])  # fmt: skip
def test_a_damaged_record_does_not_stop_the_page(tmp_path, record):
    page = results.read_page(write_executed(tmp_path, record))
    assert page.state == "finished" and page.notebook and page.seconds == 0 and page.gpu_hours == 0


@pytest.mark.parametrize(
    "papermill", [{"duration": None}, {"duration": "x", "parameters": None}, {"parameters": {"a": 1}}]
)
def test_without_a_record_papermill_is_asked(tmp_path, papermill):
    page = results.read_page(write_executed(tmp_path, papermill=papermill))
    assert "not recorded" in dict(page.provenance)["provenance"]


def test_a_damaged_summary_is_said(tmp_path):
    path = write_executed(tmp_path)
    for content in ("a\n1,2,3\n", "what,value,more\n1,2,3\n", ""):
        (path.with_suffix("") / "summary.csv").write_text(content)
        assert results.read_page(path).key_figures == [("summary", f"{path.stem}/summary.csv cannot be read")]


def test_a_folder_of_tables_is_no_study(tmp_path):
    write_executed(tmp_path / "mini")
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/a.csv").write_text("a")
    (tmp_path / ".hidden").mkdir()
    assert results.list_studies(tmp_path) == [tmp_path / "mini"]
    assert results.read_study(tmp_path / "mini").summary == "1 runs: 1 finished; 00:00, 0 GPU hours in all."


@pytest.mark.parametrize("papermill", ["x", 5, ["duration"], None])
def test_odd_notes_of_papermill_do_not_stop_the_page(tmp_path, papermill):
    page = results.read_page(write_executed(tmp_path, papermill=papermill))
    assert dict(page.provenance)["provenance"].startswith("not recorded")


def test_a_pipe_named_like_a_notebook_is_not_waited_for(tmp_path):
    write_executed(tmp_path, {"study": "tiny"})
    os.mkfifo(tmp_path / "05_scaling.ipynb")
    assert "cannot be read" in results.read_page(tmp_path / "05_scaling.ipynb").problem
