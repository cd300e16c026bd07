"""Which rank cuts the patches of which tile."""

import heapq
from importlib.resources import files

import numpy as np
import pandas as pd


def products():
    """The 125 Sentinel-2 products behind BigEarthNet v1.0.

    Returns
    -------
    DataFrame [product, id, patches]
        Name of the L1C product, its id in the Copernicus Data Space, and how many of the 590,326 patches it holds.

    Notes
    -----
    The counts come from the official lists. A patch's name carries mission, time and position in the tile, but no tile.
    335,211 names belong to the only product of their datatake, 209,002 more stand with their tile in the metadata of
    v2.0. Where several tiles of one datatake have a patch at the same position, the archive shifted the time of all but
    the first by some seconds, so that a position has as many names as tiles: 45,365 follow from this and from where the
    same tile has patches on other dates. The last 748 went to the tile with the nearest known patch.
    """
    return pd.read_csv(files("bigearth") / "data" / "products.csv")


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
