"""Batches of patches from the cube: contiguous rows by shuffled block, native bytes, read ahead in the background."""

import numpy as np

# Rows read in one piece. The cube's rows are in random order already, so a block is a random sample; moving the blocks'
# edges every epoch and shuffling the blocks gives every epoch other batches, while the disk still reads megabytes.
BLOCK = 16


def epoch_order(rows, seed, epoch, repeats=None):
    """Rows of one epoch in the order in which all workers together read them.

    Parameters
    ----------
    rows : range
        Rows of the training split.
    seed, epoch : int
        The order is a function of these two alone, hence the same on every number of workers.
    repeats : float array (len(rows),), optional
        How often a patch is to be seen on average, at least 1 (see `rare_class_repeats`); repeats are read one by one.

    Returns
    -------
    int64 array
    """
    random = np.random.default_rng([seed, epoch])
    rows = np.arange(rows.start, rows.stop)
    pieces = [piece for piece in np.split(rows, range(random.integers(BLOCK), len(rows), BLOCK)) if len(piece)]
    if repeats is not None:
        more = np.floor(repeats - 1 + random.random(len(rows))).astype(int)
        pieces += np.split(again, len(again)) if len(again := np.repeat(rows, more)) else []
    return np.concatenate([pieces[i] for i in random.permutation(len(pieces))])


def rare_class_repeats(classes, share=0.1):
    """How often to see each patch so that rare classes are met more often.

    Repeat-factor sampling (Gupta, Dollar, Girshick: LVIS, CVPR 2019): a class that fewer than ``share`` of the patches
    carry asks for its patches sqrt(share / frequency) times; a patch follows its rarest class.

    Parameters
    ----------
    classes : uint8 array (N, C)

    Returns
    -------
    float array (N,), at least 1
    """
    frequency = np.maximum(classes.mean(axis=0), 1 / len(classes))
    return np.maximum(1, (classes * np.sqrt(share / frequency)).max(axis=1))


def training_batches(cube, keys, order, batch_size, rank, workers):
    """This rank's batches of one epoch.

    Step s of all workers takes the s-th ``workers * batch_size`` rows of ``order``; a rank takes its slice of them.
    Parts are disjoint and steps equal in number; the rest of the order, less than one global batch, is left out of
    this epoch.

    Yields
    ------
    tuple
        {key: uint16 array (batch_size, height, width, bands)}, uint8 array (batch_size, C).
    """
    arrays, classes = {key: cube.array(key) for key in keys}, cube.classes
    for step in range(len(order) // (batch_size * workers)):
        start = (step * workers + rank) * batch_size
        rows = order[start : start + batch_size]
        yield {key: _take(array, rows) for key, array in arrays.items()}, classes[rows]


def share_of(rows, rank, workers):
    """Rows of a split that this rank evaluates: contiguous, disjoint, all rows, sizes differ by at most one."""
    bounds = [rows.start + len(rows) * r // workers for r in (rank, rank + 1)]
    return range(*bounds)


def evaluation_batches(cube, keys, rows, batch_size):
    """Batches of consecutive rows; the last one is filled up by its last row, so that every batch has one shape.

    Yields
    ------
    tuple
        As `training_batches`, and how many patches of the batch count.
    """
    arrays, classes = {key: cube.array(key) for key in keys}, cube.classes
    for start in range(rows.start, rows.stop, batch_size):
        taken = np.minimum(np.arange(start, start + batch_size), rows.stop - 1)
        yield (
            ({key: _take(array, taken) for key, array in arrays.items()}, classes[taken]),
            min(batch_size, rows.stop - start),
        )


def _take(array, rows):
    """Copy rows out of the memory map, run by run of consecutive rows."""
    batch, done = np.empty((len(rows), *array.shape[1:]), array.dtype), 0
    for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
        batch[done : done + len(run)] = array[run[0] : run[-1] + 1]
        done += len(run)
    return batch
