"""A training as it is followed from a notebook."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from bigearth.errors import Interrupted
from bigearth.progress import Note, Progress
from bigearth.training import follow as module
from bigearth.training.follow import FollowedSteps, follow
from bigearth.training.records import NOTE


@pytest.fixture
def shown(monkeypatch):
    """What the output of the curve shows, in order."""
    seen = []

    class Output:
        def update(self, content, **_):
            seen.append(content)

    monkeypatch.setattr(module, "display", lambda *_, **__: Output())
    return seen


def draw(history):
    fig, axis = plt.subplots()
    axis.plot(history.epoch, history.loss)
    return fig


def test_the_curve_is_drawn_once_for_each_epoch(shown, tmp_path):
    history = pd.DataFrame({"epoch": [], "loss": []})
    with follow(tmp_path, lambda: history, draw) as watch:
        watch()
        assert shown == []
        history = pd.DataFrame({"epoch": [1], "loss": [0.5]})
        watch()
        watch()
        assert len(shown) == 1 and not plt.get_fignums()
    assert shown[-1] == {"text/plain": "The finished curve is below."}


@pytest.mark.parametrize(("epochs", "where"), [(0, "in its first epoch"), (3, "after epoch 3")])
def test_an_interrupt_says_where_it_goes_on(shown, tmp_path, epochs, where):
    history = pd.DataFrame({"epoch": range(1, epochs + 1), "loss": 0.5})
    with pytest.raises(Interrupted, match=f"^stopped {where}; run the cell again to go on$"):
        with follow(tmp_path, lambda: history, draw):
            raise KeyboardInterrupt


def test_steps_are_those_of_this_start(tmp_path):
    Note(tmp_path / NOTE).write("epoch 9 of 9", 90, 90)  # left by a start that was killed
    steps = FollowedSteps(tmp_path)
    progress = Progress("training")
    steps.show(progress)
    assert progress.done == 0 and "build the network" in progress.note
    Note(tmp_path / NOTE).write("the first step is compiled")
    steps.show(progress)
    assert progress.note == "the first step is compiled"
    Note(tmp_path / NOTE).write("epoch 1 of 2, 310 images/s", 5, 20)
    steps.show(progress)
    assert (progress.done, progress.total, progress.note) == (5, 20, "epoch 1 of 2, 310 images/s")
