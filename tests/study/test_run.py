"""What a run depends on, and who is at it."""

from bigearth.study import definition
from tests.study.conftest import write_notebook


def test_what_a_run_depends_on(write, tmp_path):
    """The cube and the predictions it reads, the parameters of what came before; not the code that drew figures."""
    parent = write_notebook(
        tmp_path / "parent.ipynb", "'draws'", parameters="archive = ''  # folder\ncube = ''  # file"
    )
    child = write_notebook(tmp_path / "child.ipynb", parameters="cube = ''  # file\nruns = []  # names")
    cube, predictions = tmp_path / "cube.h5", tmp_path / "work" / "runs" / "rgb" / "predictions.h5"
    predictions.parent.mkdir(parents=True)
    before = set()

    def is_new(**parameters):
        runs = [{"notebook": parent, "parameters": parameters}]
        runs += [{"notebook": child, "after": ["parent"], "parameters": {"runs": ["rgb"]}}]
        loaded = definition.load(write(*runs, defaults={"cube": str(cube)}))
        marks = [run.fingerprint()["all"] for run in loaded.runs]
        new = [mark not in before for mark in marks]
        before.update(marks)
        return new

    assert is_new() == [True, True]
    cube.touch()
    assert is_new() == [False, True]  # the parent writes it, the child reads it
    predictions.touch()
    assert is_new() == [False, True]
    assert is_new(archive="other") == [True, True]
    write_notebook(parent, "'draws better'", parameters="archive = ''  # folder\ncube = ''  # file")
    assert is_new(archive="other") == [True, False]
