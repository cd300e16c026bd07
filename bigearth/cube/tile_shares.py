"""Share tiles out over ranks: each rank cuts the patches of its own tiles."""

import heapq
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd


def deal_as_in_paper(counts: Sequence[int], ranks: int) -> list[list[int]]:
    """Deal tiles to ranks by the paper's Algorithm 1, repaired, after sorting them by patch count, most first.

    A matrix with one column per rank is filled row by row; every row after the first is reversed. As printed the
    algorithm does not run: its condition, its start index and the padding of the last row are repaired here. That the
    first row alone keeps its order follows from the printed condition; reversing every second row was perhaps meant.
    That the tiles are sorted is implied in the paper, not written.

    Parameters
    ----------
    counts : sequence of int
        Patches of each tile.
    ranks : int

    Returns
    -------
    list of list of int
        For each rank the indices of its tiles.
    """
    order = _sort_most_first(counts)
    rounds = -(-len(order) // ranks)
    padded = np.full(rounds * ranks, -1)
    padded[: len(order)] = order
    table = padded.reshape(rounds, ranks)
    table[1:] = table[1:, ::-1]
    return [column[column >= 0].tolist() for column in table.T]


def deal_longest_first(counts: Sequence[int], ranks: int) -> list[list[int]]:
    """Deal tiles by longest processing time first: the largest tile left goes to the rank with the least to do.

    The greatest load exceeds the best possible one by a third at most (Graham 1969). Parameters and result are those of
    `deal_as_in_paper`.
    """
    loads = [(0, rank) for rank in range(ranks)]
    tiles: list[list[int]] = [[] for _ in range(ranks)]
    for tile in _sort_most_first(counts).tolist():
        load, rank = heapq.heappop(loads)
        tiles[rank].append(tile)
        heapq.heappush(loads, (load + int(counts[tile]), rank))
    return tiles


def sum_loads(counts: Sequence[int], tiles: list[list[int]]) -> np.ndarray:
    """Return the patches of each rank when tiles are dealt so: int array (ranks,)."""
    loads = []
    for of_rank in tiles:
        loads.append(sum(int(counts[tile]) for tile in of_rank))
    return np.array(loads)


# The values of the parameter ``distribution``.
DISTRIBUTIONS: dict[str, Callable[[Sequence[int], int], list[list[int]]]] = {
    "longest_first": deal_longest_first,
    "paper": deal_as_in_paper,
}


def compare_algorithms(counts: np.ndarray) -> pd.DataFrame:
    """Compare the largest load of a rank by both algorithms, for every number of ranks up to that of the tiles.

    Parameters
    ----------
    counts : (n,) int array
        Patches of each tile.

    Returns
    -------
    DataFrame [ranks, algorithm, largest, ideal, times ideal]
        The ideal is an equal share, but never less than the largest tile.
    """
    rows = []
    patches = counts.tolist()
    for ranks in range(1, len(patches) + 1):
        ideal = max(sum(patches) / ranks, max(patches))
        for name, deal in DISTRIBUTIONS.items():
            largest = sum_loads(patches, deal(patches, ranks)).max()
            rows.append((ranks, name.replace("_", " "), largest, ideal, largest / ideal))
    return pd.DataFrame(rows, columns=["ranks", "algorithm", "largest", "ideal", "times ideal"])


def _sort_most_first(counts: Sequence[int]) -> np.ndarray:
    return np.argsort(-np.asarray(counts, dtype=np.int64), kind="stable")
