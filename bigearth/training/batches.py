"""Batches of patches from the cube: contiguous rows by shuffled block, in the cube's own numbers."""

from collections.abc import Iterator, Sequence

import numpy as np

from bigearth.cube.reading import Cube

Batch = tuple[dict[str, np.ndarray], np.ndarray]  # datasets by key, and labels

# Rows read in one piece. The cube's rows are in random order already, so a block is a random sample; moving the blocks'
# edges every epoch and shuffling the blocks gives every epoch other batches, while the disk still reads megabytes.
BLOCK = 16


def order_rows(rows: range, seed: int, epoch: int, repeats: np.ndarray | None = None) -> np.ndarray:
    """Order the rows of one epoch as all workers together read them.

    Parameters
    ----------
    rows : range
        Rows of the training split.
    seed, epoch : int
        The order is a function of these two alone, hence the same on every number of workers.
    repeats : float array (len(rows),), optional
        How often a patch is to be seen on average, at least 1 (see `count_repeats`); repeats are read one by one.

    Returns
    -------
    int64 array
    """
    random = np.random.default_rng([seed, epoch])
    numbers = np.arange(rows.start, rows.stop)
    edges = range(random.integers(BLOCK), len(numbers), BLOCK)
    blocks = [block for block in np.split(numbers, edges) if len(block)]
    if repeats is not None:
        more = np.floor(repeats - 1 + random.random(len(numbers))).astype(int)
        again = np.repeat(numbers, more)
        blocks += [again[i : i + 1] for i in range(len(again))]
    return np.concatenate([blocks[i] for i in random.permutation(len(blocks))])


def count_repeats(classes: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Count how often to see each patch, so that rare classes are met more often.

    Repeat-factor sampling (Gupta, Dollar, Girshick: LVIS, CVPR 2019): a class that fewer than ``share`` of the patches
    carry asks for its patches sqrt(share / frequency) times; a patch follows its rarest class.

    Parameters
    ----------
    classes : uint8 array (N, C)
    share : float

    Returns
    -------
    float array (N,), at least 1
    """
    frequency = np.maximum(classes.mean(axis=0), 1 / len(classes))
    return np.maximum(1, (classes * np.sqrt(share / frequency)).max(axis=1))


def read_training_batches(
    cube: Cube, keys: Sequence[str], order: np.ndarray, batch_size: int, rank: int, workers: int
) -> Iterator[Batch]:
    """Read this worker's batches of one epoch.

    Step s of all workers takes the s-th ``workers * batch_size`` rows of ``order``; a worker takes its slice of them.
    The slices are disjoint and the steps equal in number; the rest of the order, less than one global batch, is left
    out of this epoch.

    Yields
    ------
    tuple
        {key: uint16 array (batch_size, height, width, bands)}, uint8 array (batch_size, C).
    """
    arrays = {key: cube.array(key) for key in keys}
    classes = cube.classes
    for step in range(len(order) // (batch_size * workers)):
        start = (step * workers + rank) * batch_size
        rows = order[start : start + batch_size]
        yield {key: _copy_rows(array, rows) for key, array in arrays.items()}, classes[rows]


def find_share(rows: range, rank: int, workers: int) -> range:
    """Find the rows of a split that this worker scores: contiguous, disjoint, all rows, sizes differ by at most one."""
    start = rows.start + len(rows) * rank // workers
    stop = rows.start + len(rows) * (rank + 1) // workers
    return range(start, stop)


def read_scoring_batches(cube: Cube, keys: Sequence[str], rows: range, batch_size: int) -> Iterator[tuple[Batch, int]]:
    """Read batches of consecutive rows; the last one is filled up by its last row, so that all have one shape.

    Yields
    ------
    tuple
        As `read_training_batches`, and how many patches of the batch count.
    """
    arrays = {key: cube.array(key) for key in keys}
    classes = cube.classes
    for start in range(rows.start, rows.stop, batch_size):
        taken = np.minimum(np.arange(start, start + batch_size), rows.stop - 1)
        features = {key: _copy_rows(array, taken) for key, array in arrays.items()}
        yield (features, classes[taken]), min(batch_size, rows.stop - start)


def _copy_rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Copy rows out of the memory map, run by run of consecutive rows."""
    batch = np.empty((len(rows), *array.shape[1:]), array.dtype)
    done = 0
    ends = np.flatnonzero(np.diff(rows) != 1) + 1
    for run in np.split(rows, ends):
        batch[done : done + len(run)] = array[run[0] : run[-1] + 1]
        done += len(run)
    return batch
