"""The authors' file: the order of its label columns follows from their frequencies."""

import h5py
import numpy as np
import pandas as pd
import pytest

from bigearth.cube.check import check
from bigearth.cube.published import TABLE_3, find_label_order
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.labels import LABELS_19, LABELS_43, TO_19


def draw_classes(labels, n=400, seed=0):
    """Rows whose labels are as frequent as in Table 3, in columns of this order."""
    support = pd.read_csv(TABLE_3).set_index("class").support
    if len(labels) == 19:
        support = support.groupby(pd.Series(TO_19)).sum()
    share = support[list(labels)].to_numpy() / 125_866
    return (np.random.default_rng(seed).random((n, len(labels))) < share).astype(np.uint8)


@pytest.mark.parametrize("labels", [LABELS_43, LABELS_19], ids=["43", "19"])
@pytest.mark.parametrize("order", [tuple, sorted], ids=["CORINE", "alphabetical"])
def test_the_order_is_found(labels, order):
    expected = tuple(order(labels))
    found, reason = find_label_order(draw_classes(expected), "published.h5")
    assert found == expected
    assert ("alphabetical order" in reason) == (order is sorted) and "Table 3" in reason


def test_frequencies_that_do_not_tell():
    with pytest.raises(InputError, match="do not tell their order"):
        find_label_order(np.ones((5, 43), np.uint8), "published.h5")


def test_the_order_is_said(published, tmp_path):
    with h5py.File(published, "r+") as file:
        n = len(file["classes"])
        classes = draw_classes(tuple(sorted(LABELS_43)), n)
        classes[:, sorted(LABELS_43).index("Mixed forest")] = 1
        file["classes"][...] = classes
    cube = open_cube(published)
    assert cube.published and cube.labels == tuple(sorted(LABELS_43))
    assert "alphabetical order" in cube.source and "alphabetical order" in check(published)[0]
