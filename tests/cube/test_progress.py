"""How far the writing is."""

from bigearth.cube.progress import count_written, show_writing
from bigearth.cube.statistics import measure_rows
from bigearth.cube.writing import open_writer
from bigearth.progress import Progress
from tests.cube.test_statistics import rows_of


def test_rows_of_a_begun_and_of_a_finished_cube(begun, tiny_cube, tmp_path):
    n = begun.count_rows()[1]
    assert count_written(begun.cube) == (0, n)
    with open_writer(begun, 0) as write:
        arrays = rows_of(2)
        for first in (0, 2, 0):  # a unit that is written again counts once
            write(f"slab-{first}", measure_rows(range(first, first + 2), arrays, 0), arrays)
    assert count_written(begun.cube) == (4, n)
    assert count_written(tiny_cube) == (n, n)
    assert count_written(tmp_path / "absent.h5") == (0, 0)


def test_progress_starts_from_what_is_there(begun, monkeypatch):
    seen = []
    monkeypatch.setattr(Progress, "reach", lambda self, *reached: seen.append(reached))
    arrays = rows_of(2)
    with open_writer(begun, 0) as write, show_writing(begun.cube, 54) as show:
        show()  # nothing is written yet
        write("slab-0", measure_rows(range(2), arrays, 0), arrays)
        show()
    assert seen == [(2, 54, "patch")]
