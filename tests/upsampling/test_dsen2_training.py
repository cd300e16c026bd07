"""DSen2 trained at reduced resolution, on one rank and on two."""

import subprocess
import sys

import keras
import numpy as np

from bigearth.patch import BANDS_AT
from bigearth.upsampling import dsen2
from bigearth.upsampling.dsen2_training import Settings, choose_settings, train
from bigearth.upsampling.interpolation import interpolate
from bigearth.upsampling.quality import reduce_resolution
from bigearth.upsampling.samples import make_pairs
from bigearth.upsampling.weights import load
from tests.archive.small_products import pixels, write_product


def related(n=6, side=120, seed=0):
    """Bands of 20 m and 60 m that are the 10 m bands at lower resolution: a guide can tell what is missing."""
    rng = np.random.default_rng(seed)
    fine = 1000 + 2000 * (interpolate(rng.random((n, side // 4, side // 4, 1), dtype=np.float32), side) > 0.5)
    fine = fine.astype(np.float32)
    bands = {m: np.repeat(reduce_resolution(fine, m // 10), len(names), -1) for m, names in BANDS_AT.items() if m > 10}
    return {10: np.repeat(fine, 4, -1).astype(np.uint16)} | {m: a.astype(np.uint16) for m, a in bands.items()}


def test_training_learns_from_the_guide():
    keras.utils.set_random_seed(0)
    bands, held_out = related(), related(seed=1)
    model = dsen2.build(20, features=8, blocks=1)
    settings = Settings(epochs=3, steps=25, batch_size=4, learning_rate=5e-3)
    losses = train(model, bands, 20, settings)
    inputs, truth = make_pairs(held_out, 20)
    error = np.abs(model.predict_on_batch(inputs) - truth).mean()
    assert error < 0.6 * np.abs(inputs[-1] - truth).mean()
    assert losses[-1] < losses[0]


RANKS = """
import sys
from bigearth.upsampling.dsen2_training import Settings, train_networks
from mpi4py import MPI
settings = Settings(samples=1, features=4, blocks=1, epochs=1, steps=2, batch_size=1)
losses = train_networks(weights=sys.argv[1], tiles=sys.argv[2], settings=settings)
assert MPI.COMM_WORLD.Get_size() == 2 and len(set(MPI.COMM_WORLD.allgather(str(losses)))) == int(sys.argv[3])
"""


def test_two_ranks_train_one_network_on_tiles(tmp_path):
    write_product(tmp_path, pixels())
    command = [
        "mpiexec",
        "--allow-run-as-root",
        "--oversubscribe",
        "--mca",
        "mpi_yield_when_idle",
        "1",
        "-n",
        "2",
        sys.executable,
        "-c",
        RANKS,
    ]
    written = []
    for own in (2, 1):  # each rank has its own loss; the second time there is nothing left to do
        result = subprocess.run(
            [*command, tmp_path / "weights", tmp_path, str(own)], capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, result.stderr[-2000:]
        assert set(load(tmp_path / "weights")) == {20, 60}
        written.append([path.stat().st_mtime_ns for path in sorted((tmp_path / "weights").iterdir())])
    assert written[0] == written[1]


def test_settings_fit_what_the_networks_learn_from():
    published = choose_settings(miniature=False, from_tiles=False, seed=3)
    assert (published.features, published.blocks, published.seed) == (128, 6, 3)
    assert choose_settings(miniature=True, from_tiles=False, seed=3).features < 128
    assert choose_settings(miniature=False, from_tiles=True, seed=3).samples < published.samples
