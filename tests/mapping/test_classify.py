"""Pieces of rows: all windows once, and only the clear ones reach the network."""

import numpy as np

from bigearth.mapping.classify import PIECE, classify_pieces, list_pieces
from bigearth.mapping.grid import make_grid
from bigearth.mapping.scene import open_scene
from bigearth.mapping.store import Store
from tests.mapping.test_scene import NAME, write_folder


def test_pieces_hold_every_window_once():
    grid = make_grid(109800, 2400, 300)
    pieces = list_pieces(grid, np.arange(len(grid.rows)))
    assert max(len(columns) for _, columns in pieces) <= PIECE
    found = [(row, column) for row, columns in pieces for column in columns.tolist()]
    assert found == [(row, column) for row in range(len(grid.rows)) for column in range(len(grid.columns))]


class Network:
    """Stands in for a network: the score is the mean of the 10 m bands in thousands; counts what it was given."""

    input = {"data_10m": None, "data_60m": None}

    def __init__(self):
        self.seen = 0

    def predict_on_batch(self, features):
        assert list(features) == ["data_10m", "data_60m"]
        self.seen += len(features["data_10m"])
        return np.repeat(features["data_10m"].mean(axis=(1, 2, 3))[:, None] / 1000, 2, axis=1)


def test_masked_windows_do_not_reach_the_network(tmp_path):
    mask = np.zeros((240, 240))
    mask[:120, :120] = 1
    scene = open_scene(write_folder(tmp_path / NAME, mask=mask), tmp_path / "work")
    grid = make_grid(scene.width, scene.height, 600)
    store = Store(tmp_path, (3, 3, 2))
    store.create()
    network = Network()
    pieces = list_pieces(grid, np.arange(3))
    assert classify_pieces(network, scene, grid, store, 0, pieces, "network", 0.5) == 9
    np.testing.assert_allclose(store.masked(), [[1, 0.5, 0], [0.5, 0.25, 0], [0, 0, 0]])
    expected = np.where(store.masked() >= 0.5, np.nan, 0.5)  # 1500, the offset of 1000 removed
    np.testing.assert_allclose(store.scores(), np.repeat(expected[..., None], 2, axis=-1), rtol=1e-5)
    assert network.seen == 6
