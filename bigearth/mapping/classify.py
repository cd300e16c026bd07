"""Classify the windows of a scene on one rank: pixels in, scores into the store."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import keras
import numpy as np

from bigearth.background import read_ahead
from bigearth.mapping.grid import CELL_METRES, Grid
from bigearth.mapping.reading import Reader, measure_masked
from bigearth.mapping.scene import Scene
from bigearth.mapping.store import Store
from bigearth.patch import BANDS_AT, DATA_SUPER, PIXELS
from bigearth.upsampling.datasets import make_datasets
from bigearth.upsampling.super_resolved import SuperResolved

# Windows that are read, classified and journaled at a time: 10 MB of pixels, 44 MB with all bands at 10 m.
PIECE = 64


@dataclass(frozen=True)
class Piece:
    """Some windows of one row, read: which of them are masked, and the network's inputs for the others."""

    row: int  # of windows, counted from 0
    first: int  # column of windows, counted from 0
    masked: np.ndarray  # (n,) float32
    is_clear: np.ndarray  # (n,) bool
    features: dict[str, np.ndarray]  # of the clear ones


def list_pieces(grid: Grid, rows: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """List the pieces of some rows of windows: (row, columns), each counted from 0; a row's pieces are equally long."""
    columns = np.arange(len(grid.columns))
    count = -(-len(columns) // PIECE)
    pieces = []
    for row in rows.tolist():
        pieces += [(row, part) for part in np.array_split(columns, count)]
    return pieces


def classify_pieces(
    model: keras.Model,
    scene: Scene,
    grid: Grid,
    store: Store,
    rank: int,
    pieces: list[tuple[int, np.ndarray]],
    upsampling: str,
    masked_from: float,
    super_resolved: SuperResolved | None = None,
) -> int:
    """Classify pieces one after the other and write them to the store; the next one is read meanwhile.

    Parameters
    ----------
    model : keras.Model
        From arrays of digital numbers as in the cube to scores.
    scene, grid, store
    rank : int
        Names the journal.
    pieces : list
        See `list_pieces`.
    upsampling : str
        What the run was trained with: "network", "bilinear" or "dsen2".
    masked_from : float
        Masked share of a window from which it gets no score.
    super_resolved : SuperResolved, optional
        For "dsen2": the scene's bands at 10 m.

    Returns
    -------
    int
        Number of windows.
    """
    count = 0
    keys = list(model.input)
    source = _read_pieces(scene, grid, pieces, upsampling, keys, masked_from, super_resolved)
    with closing(read_ahead(source, 1)) as ready:
        for piece in ready:
            scores = np.full((len(piece.masked), store.shape[2]), np.nan, np.float32)
            if piece.is_clear.any():
                scores[piece.is_clear] = model.predict_on_batch(piece.features)
            store.write(rank, piece.row, piece.first, scores, piece.masked)
            count += len(piece.masked)
    return count


def _read_pieces(
    scene: Scene,
    grid: Grid,
    pieces: list[tuple[int, np.ndarray]],
    upsampling: str,
    keys: list[str],
    masked_from: float,
    super_resolved: SuperResolved | None,
) -> Iterator[Piece]:
    reader = Reader(scene)
    for row, columns in pieces:
        top = int(grid.rows[row])
        mask = reader.read_mask(top)
        lefts = grid.columns[columns]
        masked = np.empty(len(lefts), np.float32)
        clear = []
        for i, window in enumerate(reader.read_windows(top, lefts)):
            masked[i] = measure_masked(window, mask, int(lefts[i]))
            if masked[i] < masked_from:
                clear.append(window)
        is_clear = masked < masked_from
        features = {}
        if clear and super_resolved is not None:
            factor = CELL_METRES // 10
            features = {DATA_SUPER: super_resolved.read_windows(top * factor, lefts[is_clear] * factor, PIXELS[10])}
        elif clear:
            native = {metres: np.stack([window[metres] for window in clear]) for metres in BANDS_AT}
            made = make_datasets(native, "bilinear" if upsampling == "bilinear" else "none")
            features = {key: made[key] for key in keys}
        yield Piece(row, int(columns[0]), masked, is_clear, features)
