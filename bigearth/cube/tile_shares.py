"""Which rank cuts the patches of which tile."""

import heapq

import numpy as np


def paper(counts, ranks):
    """Distribute tiles by the paper's Algorithm 1 as printed, after sorting them by patch count, most first.

    A matrix with one column per rank is filled row by row; every row after the first is reversed. (So it is printed;
    reversing every second row was perhaps meant. That the tiles are sorted is implied in the paper, not written.)

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
    order = _most_first(counts)
    table = np.full(-(-len(order) // ranks) * ranks, -1)
    table[: len(order)] = order
    table = table.reshape(-1, ranks)
    table[1:] = table[1:, ::-1]
    return [[int(tile) for tile in column if tile >= 0] for column in table.T]


def longest_first(counts, ranks):
    """Distribute tiles by longest processing time first: the largest tile left goes to the rank with the least load.

    The greatest load exceeds the best possible one by a third at most (Graham 1969). Parameters and result as `paper`.
    """
    loads = [(0, rank) for rank in range(ranks)]
    tiles = [[] for _ in range(ranks)]
    for tile in _most_first(counts):
        load, rank = heapq.heappop(loads)
        tiles[rank].append(int(tile))
        heapq.heappush(loads, (load + int(counts[tile]), rank))
    return tiles


def loads(counts, tiles):
    """Patches per rank of a distribution: int array (ranks,)."""
    return np.array([sum(int(counts[tile]) for tile in mine) for mine in tiles])


def _most_first(counts):
    return np.argsort(-np.asarray(counts, dtype=np.int64), kind="stable")
