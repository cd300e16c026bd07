"""The files of a finished map, read again."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.mapping.maps import write_map
from bigearth.mapping.outputs import read_map, remove_unfinished


@pytest.fixture(scope="module")
def mapped(run, product, tmp_path_factory):
    return Path(write_map(run=run, product=product, results=tmp_path_factory.mktemp("outputs"))["folder"])


def test_a_map_is_read_as_it_was_written(mapped, run):
    found = read_map(mapped)
    assert found.scores.shape == (43, 4, 4) and found.windows == {"all": 16, "masked": 0}
    assert found.image.shape[2] == 3 and found.plan["run"] == run.name
    thresholds = found.areas.threshold.to_numpy(np.float32)[:, None, None]
    at_least = (found.scores >= thresholds + 1 / 254).mean(axis=(1, 2))  # the file's scores are rounded
    at_most = (found.scores >= thresholds - 1 / 254).mean(axis=(1, 2))
    assert found.areas.share.between(at_least, at_most).all()


@pytest.mark.parametrize("name", ["scores.tif", "areas.csv", "true_colour.jpg", "provenance.json"])
def test_a_damaged_map_is_one_line(mapped, tmp_path, name):
    folder = tmp_path / "map"
    shutil.copytree(mapped, folder)
    (folder / name).write_bytes(b"{")
    with pytest.raises(InputError) as raised:
        read_map(folder)
    assert "\n" not in str(raised.value) and str(folder) in str(raised.value)


def test_only_what_a_map_wrote_is_removed(tmp_path):
    for name in ("plan.json", "journal-0.txt", "mine.txt"):
        (tmp_path / name).write_text("x")
    remove_unfinished(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["mine.txt"]
