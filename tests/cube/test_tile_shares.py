"""Tiles over ranks: the printed algorithm, the better one, and the counts of the real products."""

import pytest

from bigearth.archive.products import list_paper_products
from bigearth.cube.tile_shares import deal_as_in_paper, deal_longest_first, sum_loads


def test_rounds_after_the_first_are_reversed_as_printed():
    counts = [10, 90, 80, 70, 60, 50, 40, 30, 20]  # by count: 1 2 3 | 4 5 6 | 7 8 0
    assert deal_as_in_paper(counts, 3) == [[1, 6, 0], [2, 5, 8], [3, 4, 7]]


def test_the_last_round_may_be_incomplete():
    assert deal_as_in_paper([40, 30, 20, 10], 3) == [[0], [1], [2, 3]]
    assert deal_as_in_paper([5, 9], 4) == [[1], [0], [], []]


def test_longest_first_fills_the_least_loaded_rank():
    assert deal_longest_first([7, 6, 5, 4, 3], 2) == [[0, 3, 4], [1, 2]]
    assert deal_longest_first([3], 2) == [[0], []]


@pytest.mark.parametrize("distribute", [deal_as_in_paper, deal_longest_first])
@pytest.mark.parametrize("ranks", [1, 2, 7, 72, 124, 125, 130])
def test_every_tile_once_and_the_load_near_the_bound(distribute, ranks):
    counts = list_paper_products().patches.to_numpy()
    tiles = distribute(counts, ranks)
    assert len(tiles) == ranks
    assert sorted(sum(tiles, [])) == list(range(125))
    load = sum_loads(counts, tiles)
    assert load.sum() == 590326
    if distribute is deal_longest_first:
        assert load.max() <= 4 / 3 * max(counts.max(), counts.sum() / ranks)  # Graham's factor, of what none can beat


def test_longest_first_is_never_worse_on_the_real_products():
    counts = list_paper_products().patches.to_numpy()
    worst = [
        (sum_loads(counts, deal_longest_first(counts, n)).max(), sum_loads(counts, deal_as_in_paper(counts, n)).max())
        for n in range(1, 126)
    ]
    assert all(ours <= printed for ours, printed in worst)


def test_the_table_of_products():
    table = list_paper_products()
    assert len(table) == 125
    assert table["product"].is_unique
    assert (
        table["product"].str.fullmatch(r"S2[AB]_MSIL1C_\d{8}T\d{6}_N\d{4}_R\d{3}_T\d\d[A-Z]{3}_\d{8}T\d{6}\.SAFE").all()
    )
    assert table.patches.between(1, 91 * 91).all()  # a tile of 109.8 km holds 91 x 91 patches of 1.2 km
