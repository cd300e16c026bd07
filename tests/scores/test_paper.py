"""The paper's tables, and what its Table 2 may be an average of."""

import pytest

from bigearth.labels import LABELS_43
from bigearth.scores.paper import compare_averages, read_table2, read_table3


def test_tables_are_complete():
    assert read_table2().loc["multispectral"].tolist() == [0.83, 0.75, 0.79]
    table = read_table3()
    assert set(table.index) == set(LABELS_43) and table.notna().all(axis=None)


def test_the_harmonic_mean_bounds_a_micro_average():
    averages = compare_averages().set_index("model")
    row = averages.loc["rgb"]
    assert row["harmonic mean of P and R (Table 2)"] == pytest.approx(2 * 0.82 * 0.71 / (0.82 + 0.71))
    assert row["at most, before rounding"] > row["harmonic mean of P and R (Table 2)"]
    assert (averages["weighted (Table 3)"] > averages["macro (Table 3)"]).all()
