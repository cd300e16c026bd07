"""A training as a notebook sees it: checks before the start, and what is read afterwards."""

import numpy as np
import pandas as pd
import pytest

from bigearth.archive.pixels import read_patch
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.training import checkpoints, loop, records, start
from bigearth.training.recipe import Recipe
from bigearth.training.start import Training, find_patches, find_source
from tests.archive.packing import pack


@pytest.fixture
def given(tmp_path, tiny_cube, tiny_archive):
    """Parameters as notebook 03 has them."""
    recipe = Recipe(width=4, blocks=[1, 1], epochs=2, batch_size=4).as_dict()
    places = {"run": "trial", "workdir": str(tmp_path), "cube": str(tiny_cube), "classify": str(tiny_archive)}
    return recipe | places | {"workers": 2, "launcher": "mpi", "results": "scratch/results"}


def test_a_worker_is_prepared_before_it_trains(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(loop, "train", lambda *arguments: called.append(arguments))
    recipe = Recipe()
    start.train("trial", tmp_path, "cube.h5", recipe, prepare=called.append)
    assert called == [tmp_path / "runs/trial", ("trial", tmp_path, "cube.h5", recipe)]


def test_all_is_checked_before_a_worker_starts(given, tiny_cube):
    training = Training.from_parameters(given)
    workload = training.check(workers=2)
    patches = len(open_cube(tiny_cube).rows["train"])
    facts = training.describe(workload).set_index("what")["number"]
    assert facts["steps per epoch"] == patches // 8 and facts["kB read per patch"] == 160
    assert training.check(workers=1000 if patches >= 1000 else patches // 4).workers == patches // 4
    rates = training.list_learning_rates(workload)
    assert len(rates) == 2 * workload.steps and rates["epoch"].between(0, 2).all()


def test_more_workers_than_training_patches_are_not_started(given, tiny_cube):
    patches = len(open_cube(tiny_cube).rows["train"])
    assert Training.from_parameters(given | {"batch_size": 1}).check(workers=10 * patches).workers == patches


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"run": "../../evil"}, "run is '../../evil'"),
        ({"run": ""}, "run is ''"),
        ({"classify": "no/such/folder"}, "there is no such folder"),
        ({"epochs": 0}, "epochs is 0"),
        ({"blocks": "3463"}, "blocks"),
        ({"augment": "perhaps"}, "augment"),
    ],
)
def test_wrong_parameters_are_an_error_in_one_line(given, wrong, said, tmp_path):
    with pytest.raises(InputError, match=said) as caught:
        Training.from_parameters(given | wrong)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


def test_a_folder_without_patches_is_an_error(tmp_path):
    with pytest.raises(InputError, match="holds no patch"):
        find_patches(str(tmp_path), tmp_path)
    assert find_patches(None, tmp_path) == []


def test_patches_to_classify_are_whole_folders(tiny_archive, tmp_path):
    found = find_patches(str(tiny_archive), tmp_path, most=3)
    assert len(found) == 3 and all(list(path.glob("*_B02.tif")) for path in found)
    (tmp_path / "._a_B02.tif").write_text("what macOS leaves beside a file")
    with pytest.raises(InputError, match="holds no patch"):
        find_patches(str(tmp_path), tmp_path)


def test_patches_of_a_packed_archive(tiny_archive, tmp_path):
    path = pack(tiny_archive, tmp_path / "packed", "zst")
    found = find_patches(str(path), tmp_path / "work", most=3)
    source = find_source(found, tmp_path / "work")
    for patch in found:
        expected = read_patch(tiny_archive / patch.name)
        assert all(np.array_equal(read_patch(patch, source=source)[metres], expected[metres]) for metres in expected)
    assert find_source([tiny_archive / found[0].name], tmp_path).read_band(f"{path}", 10) == path.read_bytes()[:10]
    assert find_source([], tmp_path)


def test_changed_epochs_are_refused_before_a_worker_starts(given):
    before = Training.from_parameters(given)
    line = dict.fromkeys(records.HISTORY, 0.5) | {"epoch": 1, "images": 24}
    state = {
        "epoch": 1,
        "history": [line],
        "seconds": 1.0,
        "parameters": {"run": "trial", **before.recipe.as_dict(), "workers": 2},
        "trained_on": records.describe_data(before.cube),
    }
    checkpoints.write(before.folder / "checkpoints", [np.zeros(2)], state)
    assert before.check(workers=2).workers == 2
    with pytest.raises(InputError, match="exists with epochs = 2, now 3: choose another name"):
        Training.from_parameters(given | {"epochs": 3}).check(workers=2)
    with pytest.raises(InputError, match="exists with workers = 2, now 1"):
        before.check(workers=1)


def test_times_of_steps_are_summarised_without_the_first_epoch(given):
    training = Training.from_parameters(given)
    assert training.read_history().empty
    rows = []
    for epoch, seconds in ((1, 9.0), (2, 0.5)):
        for rank in (0, 1):
            rows.append([epoch, 1, rank, 0.1, 0.2, 0.1, seconds])
    records.write_table(training.folder / "timings.csv", pd.DataFrame(rows, columns=list(records.TIMINGS)))
    steps = training.summarise_steps()
    assert steps["rank"].tolist() == [0, 1] and np.allclose(steps["images/s"], 4 / 0.5)
    assert np.allclose(steps[["input", "forward and backward", "all-reduce", "rest"]], [100, 200, 100, 100])


def test_nothing_is_classified_where_nothing_can_be(given):
    for changes in ({"classify": None}, {"upsampling": "dsen2"}):
        scores, images = Training.from_parameters(given | changes).classify()
        assert len(scores) == len(images) == 0
