"""Measuring: which trainings are started."""

import pytest

from bigearth.errors import InputError
from bigearth.progress import Note, Progress
from bigearth.scaling import measure
from bigearth.scaling.measure import choose_batches, clear_earlier, measure_scaling, show_measurement
from bigearth.training import start
from bigearth.training.records import NOTE


class Workers:
    """Stands in for a group of workers: notes what it is asked to run."""

    def __init__(self, count, calls):
        self.count, self.calls = count, calls

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, function, watch, run, workdir, cube, recipe, prepare):
        watch()
        assert function is start.train and prepare.func is measure.keep_to_share and prepare.args == (2,)
        assert recipe.epochs == 2
        self.calls.append((self.count, run, recipe.batch_size, recipe.seed))


@pytest.fixture
def calls(monkeypatch):
    calls = []
    monkeypatch.setattr(measure.engines, "start", lambda count, launcher, exact: Workers(count, calls))
    return calls


def test_trains_with_equal_batch_per_worker_and_in_all(tmp_path, tiny_cube, calls):
    earlier = tmp_path / "runs" / "scaling-w1-b4"
    earlier.mkdir(parents=True)
    names = measure_scaling([2, 1], "mpi", 4, workdir=tmp_path, cube=tiny_cube, epochs=2, warmup=0)
    assert calls == [(1, "scaling-w1-b4", 4, 1), (2, "scaling-w2-b4", 4, 1), (2, "scaling-w2-b2", 2, 1)]
    assert names == [name for _, name, *_ in calls] and not earlier.exists()


def test_repeats_have_the_next_seeds(tmp_path, tiny_cube, calls):
    measure_scaling([2], "mpi", 4, repeats=2, seed=5, workdir=tmp_path, cube=tiny_cube, epochs=2, warmup=0)
    assert calls == [(2, "scaling-w2-b4-s1", 4, 5), (2, "scaling-w2-b4-s2", 4, 6)]


def test_which_measurement_of_which_is_shown(tmp_path):
    progress = Progress("measuring", 8, "training")
    show_measurement(progress, tmp_path / "scaling-w2-b4", 3)
    assert (progress.done, progress.note) == (3, "scaling-w2-b4: the workers load TensorFlow")
    Note(tmp_path / "scaling-w2-b4" / NOTE).write("epoch 1 of 2, 310 images/s", 5, 20)
    show_measurement(progress, tmp_path / "scaling-w2-b4", 3)
    assert (progress.done, progress.note) == (3, "scaling-w2-b4: epoch 1 of 2, 310 images/s")


def test_more_workers_than_patches_are_skipped(tmp_path, tiny_cube, calls):
    measure_scaling([2, 100_000], "mpi", 4, workdir=tmp_path, cube=tiny_cube, epochs=2, warmup=0)
    assert {count for count, *_ in calls} == {2}
    with pytest.raises(InputError, match="too few for 100000 workers"):
        measure_scaling([100_000], "mpi", 4, workdir=tmp_path, cube=tiny_cube, epochs=2, warmup=0)
    assert measure_scaling([], "mpi", 4, workdir=tmp_path, cube=tmp_path / "no cube") == []


def test_strong_scaling_needs_a_whole_share_of_the_batch():
    assert choose_batches(16, workers=1, fewest=1) == [16]
    assert choose_batches(16, workers=4, fewest=1) == [16, 4]
    assert choose_batches(16, workers=3, fewest=1) == [16]


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"epochs": 0}, {"batch_size": -1}])
def test_nonsense_starts_nothing(tmp_path, tiny_cube, calls, wrong):
    given = {"counts": [1], "launcher": "mpi", "batch_size": 4, "workdir": tmp_path, "cube": tiny_cube}
    with pytest.raises(InputError, match=next(iter(wrong))):
        measure_scaling(**given | {"epochs": 2, "warmup": 0} | wrong)
    assert not calls


def test_only_measurements_are_removed(tmp_path):
    runs = {name: tmp_path / name for name in ("measured", "mine", "link", "target")}
    for folder in ("measured", "mine", "target"):
        runs[folder].mkdir()
        (runs[folder] / "history.csv").touch()
    (runs["mine"] / "notes.txt").write_text("keep")
    runs["link"].symlink_to(runs["target"])
    for name in ("measured", "mine", "link"):
        clear_earlier(runs[name])
        assert not runs[name].exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.old", "mine.old", "target"]
    assert (tmp_path / "mine.old/notes.txt").read_text() == "keep" and (runs["target"] / "history.csv").exists()
    clear_earlier(tmp_path / "missing")
