"""The unfinished map on disk."""

import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.mapping.store import PLAN, Store, count_written, is_begun, write_plan

SHAPE = (2, 3, 4)


def write_piece(store, row, first, count, rank=0):
    rng = np.random.default_rng([row, first])
    scores, masked = rng.random((count, 4), np.float32), rng.random(count).astype(np.float32)
    store.write(rank, row, first, scores, masked)
    return scores, masked


def test_pieces_of_several_ranks(tmp_path):
    store = Store(tmp_path, SHAPE)
    store.create()
    first = write_piece(store, 0, 1, 2, rank=0)
    second = write_piece(store, 1, 0, 3, rank=1)
    np.testing.assert_array_equal(store.scores()[0, 1:], first[0])
    np.testing.assert_array_equal(store.masked()[1], second[1])
    assert store.find_written() == {(0, 1), (1, 0)} and count_written(tmp_path) == 5


def test_a_piece_whose_scores_changed_is_written_again(tmp_path):
    store = Store(tmp_path, SHAPE)
    store.create()
    write_piece(store, 0, 0, 3)
    write_piece(store, 1, 0, 3)
    content = bytearray((tmp_path / "scores.f32").read_bytes())
    content[5] ^= 1
    (tmp_path / "scores.f32").write_bytes(content)
    assert store.find_written() == {(1, 0)}


def test_another_plan_begins_anew_and_the_same_goes_on(tmp_path):
    store = Store(tmp_path, SHAPE)
    assert not is_begun(tmp_path, {"stride": 1200}, SHAPE)
    store.create()
    write_plan(tmp_path, {"stride": 1200})
    write_piece(store, 0, 0, 3)
    assert is_begun(tmp_path, {"stride": 1200}, SHAPE)
    assert not is_begun(tmp_path, {"stride": 600}, SHAPE) and not list(tmp_path.iterdir())


def test_a_plan_that_was_cut_off_begins_anew(tmp_path):
    Store(tmp_path, SHAPE).create()
    (tmp_path / PLAN).write_text('{"stride": 12')
    assert not is_begun(tmp_path, {"stride": 1200}, SHAPE)


def test_files_of_others_are_not_removed(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="mine.txt, which no map wrote"):
        is_begun(tmp_path, {}, SHAPE)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["scores.f32", "masked.f32"])
def test_a_missing_file_begins_anew(name, tmp_path):
    Store(tmp_path, SHAPE).create()
    write_plan(tmp_path, {"seed": 1})
    (tmp_path / name).unlink()
    assert not is_begun(tmp_path, {"seed": 1}, SHAPE)


def test_a_journal_with_odd_digits(tmp_path):
    (tmp_path / "journal-0.txt").write_text("0 ² 1 00000000 written\n0 1 2 00000000 written\n")
    assert count_written(tmp_path) == 2
