"""Batches of rows: every row once per epoch, shares of workers, and repeats of rare classes."""

from types import SimpleNamespace

import numpy as np
import pytest

from bigearth.training import batches


@pytest.fixture
def data():
    pixels = np.arange(100 * 2 * 2, dtype=np.uint16).reshape(100, 2, 2, 1)
    return SimpleNamespace(array=lambda key: pixels, classes=np.arange(100, dtype=np.uint8)[:, None])


def test_every_epoch_visits_every_row_once_in_another_order():
    first, second = (batches.order_rows(range(10, 90), seed=1, epoch=epoch) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(10, 90))
    assert (first != second).any() and (first == batches.order_rows(range(10, 90), 1, 0)).all()


def test_rows_come_in_contiguous_blocks():
    order = batches.order_rows(range(1600), seed=1, epoch=0)
    assert (np.diff(order) != 1).sum() + 1 <= 1600 // batches.BLOCK + 1


def test_other_rows_share_a_batch_in_the_next_epoch():
    starts = {min(batches.order_rows(range(1600), 1, epoch).reshape(-1, 16)[0]) % batches.BLOCK for epoch in range(9)}
    assert len(starts) > 1


def test_workers_parts_are_disjoint_and_together_the_global_batches(data):
    order = batches.order_rows(range(100), seed=1, epoch=0)
    single = list(batches.read_training_batches(data, ["data_10m"], order, 12, 0, 1))
    parts = [list(batches.read_training_batches(data, ["data_10m"], order, 4, rank, 3)) for rank in range(3)]
    assert len(single) == 8 and {len(part) for part in parts} == {8}
    for step, (features, classes) in enumerate(single):
        assert (np.concatenate([part[step][1] for part in parts]) == classes).all()
        assert (np.concatenate([part[step][0]["data_10m"] for part in parts]) == features["data_10m"]).all()
        assert (
            features["data_10m"][:, 0, 0, 0] == 4 * classes[:, 0].astype(int)
        ).all()  # pixels and labels of the same patch


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_evaluation_counts_every_patch_once(data, workers):
    seen = []
    for rank in range(workers):
        part = batches.find_share(range(30, 100), rank, workers)
        for (features, classes), count in batches.read_scoring_batches(data, ["data_10m"], part, 8):
            assert len(classes) == len(features["data_10m"]) == 8
            seen += list(classes[:count, 0])
    assert seen == list(range(30, 100))


def test_a_worker_without_patches_has_no_batch(data):
    assert not list(batches.read_scoring_batches(data, ["data_10m"], batches.find_share(range(2), 0, 3), 8))


def test_rare_classes_are_repeated_by_the_square_root_of_their_rarity():
    classes = np.zeros((1000, 2), np.uint8)
    classes[:, 0], classes[:25, 1] = 1, 1
    repeats = batches.count_repeats(classes, share=0.1)
    assert np.allclose(repeats[:25], 2) and (repeats[25:] == 1).all()
    order = batches.order_rows(range(1000), 1, 0, repeats)
    assert (np.bincount(order)[:25] == 2).all() and len(order) == 1025
