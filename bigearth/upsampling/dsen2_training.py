"""Training DSen2 where its published weights are not at hand, or do not fit: on the user's own tiles or patches.

As published (Lanaras et al. 2018), the networks learn at reduced resolution, 40 m to 20 m and 360 m to 60 m, where the
original bands are the truth; L1 loss, Nadam.
"""

import json
from pathlib import Path

import keras
import numpy as np

from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patch
from bigearth.archive.products import find_tiles
from bigearth.archive.windows import open_bands, read_window
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.mpi import communicator
from bigearth.patch import BANDS_AT
from bigearth.upsampling import dsen2
from bigearth.upsampling.quality import reduce_resolution

CROP = {20: 32, 60: 96}  # pixels of the truth per side, where the samples are as large


def train_networks(*, weights, archive="", tiles="", workdir="", samples=64, features=128, blocks=6, epochs=10,
                   steps=100, batch_size=128, learning_rate=1e-4, seed=1):  # fmt: skip
    """Train both networks on this and all other MPI ranks and save them; call it on every rank.

    Each rank learns from its own samples; after every epoch the ranks average their weights. Networks that the folder
    holds already, trained with the same settings, are left as they are.

    Parameters
    ----------
    weights : Path or str
        Folder for the networks, as `dsen2.load` reads them.
    archive, tiles : Path or str
        Where the samples come from: windows of 5.76 km from tiles if given, else patches of the archive.
    workdir : Path or str
        Holds the archive's cached index.
    samples : int
        Windows or patches per rank.
    features, blocks, epochs, steps, batch_size, learning_rate, seed
        See `dsen2.build` and `train`.

    Returns
    -------
    dict
        {20: loss per epoch, 60: loss per epoch}
    """
    source = {"archive": str(archive), "tiles": str(tiles), "samples": samples, "seed": seed}
    settings = {"features": features, "blocks": blocks, "epochs": epochs, "steps": steps}
    settings |= source | {"batch_size": batch_size, "learning_rate": learning_rate}
    comm = communicator()
    folder = resolve(weights)
    record = folder / "training.json"
    earlier = json.loads(record.read_text()) if record.exists() else {}
    earlier = comm.bcast(earlier) if comm else earlier
    if earlier.get("settings") == settings:
        return {int(metres): loss for metres, loss in earlier["losses"].items()}
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng([seed, comm.Get_rank() if comm else 0])
    if tiles:
        bands = sample_tiles(resolve(tiles), samples, rng)
    else:
        index = read_index(resolve(archive), resolve(workdir))
        chosen = rng.choice(index.folder, min(samples, len(index)), replace=False)
        patches = [read_patch(Path(index.attrs["archive"]) / folder) for folder in chosen]
        bands = {metres: np.stack([patch[metres] for patch in patches]) for metres in BANDS_AT}
    losses = {}
    for metres in dsen2.WINDOW:
        model = dsen2.build(metres, features, blocks)
        losses[metres] = train(model, bands, metres, epochs, steps, batch_size, learning_rate, seed, comm)
        if not comm or comm.Get_rank() == 0:
            folder.mkdir(parents=True, exist_ok=True)
            model.save(folder / f".{dsen2.TRAINED[metres]}")
            (folder / f".{dsen2.TRAINED[metres]}").replace(folder / dsen2.TRAINED[metres])
    if not comm or comm.Get_rank() == 0:
        record.write_text(json.dumps({"settings": settings, "losses": losses}))
    if comm:
        comm.barrier()
    return losses


def train(model, bands, metres, epochs, steps, batch_size=128, learning_rate=1e-4, seed=1, comm=None):
    """Train a network at reduced resolution on random crops, rotated and flipped.

    Parameters
    ----------
    model : keras.Model
        See `dsen2.build`.
    bands : dict
        {10: (n, h, w, 4), 20: (n, h/2, w/2, 6), 60: (n, h/6, w/6, 2)}, digital numbers.
    metres : int
        20 or 60.
    epochs, steps, batch_size : int
        Steps per epoch.
    learning_rate : float
        Falls to 0 on a cosine. (Published: halved whenever the validation loss stagnates.)
    comm : MPI communicator, optional
        Ranks that average their weights after every epoch.

    Returns
    -------
    list of float
        Loss of each epoch: mean absolute error in units of `dsen2.SCALE` digital numbers.
    """
    inputs, truth = training_pairs(bands, metres)
    rank = comm.Get_rank() if comm else 0
    if comm:
        model.set_weights(comm.bcast(model.get_weights()))

    def average(epoch, logs):
        if comm:
            everyone = comm.allgather(model.get_weights())
            model.set_weights([sum(arrays) / len(arrays) for arrays in zip(*everyone, strict=True)])

    # Start from plain interpolation: without this the first thousands of steps only undo what the last layer adds.
    last = model.layers[-2]
    last.kernel.assign(0.01 * last.kernel)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    model.compile(keras.optimizers.Nadam(schedule), "mean_absolute_error")
    batches = _crops(inputs, truth, CROP[metres], batch_size, np.random.default_rng([seed, rank, metres]))
    history = model.fit(
        batches, epochs=epochs, steps_per_epoch=steps, verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=average)],
    )  # fmt: skip
    return history.history["loss"]


def training_pairs(bands, metres):
    """Inputs and truth at reduced resolution: the network's grid has pixels of `metres`.

    Returns
    -------
    list of (n, k, k, bands) float32 arrays, and (n, k, k, bands) float32 array
        In units of `dsen2.SCALE`.
    """
    factor = metres // 10
    height, width = (side - side % factor for side in bands[metres].shape[1:3])
    bands = {m: bands[m][:, : height * metres // m, : width * metres // m] for m in BANDS_AT if m <= metres}
    reduced = {m: reduce_resolution(array, factor) for m, array in bands.items()}
    return dsen2.network_inputs(reduced, metres), bands[metres].astype(np.float32) / dsen2.SCALE


def sample_tiles(folder, count, rng, side=5760):
    """Random windows from all products of a folder.

    Parameters
    ----------
    folder : Path or str
    count : int
        Windows, drawn evenly from the tiles.
    rng : numpy.random.Generator
    side : int
        Metres, a multiple of 120; less where a tile is smaller.

    Returns
    -------
    dict
        {10: (n, h, w, 4), 20: (n, h/2, w/2, 6), 60: (n, h/6, w/6, 2)}, digital numbers.
    """
    found = find_tiles(folder)
    samples = {metres: [] for metres in BANDS_AT}
    for tile, n in zip(found, np.bincount(np.arange(count) % len(found)), strict=False):
        datasets = open_bands(tile)
        width, height = datasets[60][0].RasterXSize, datasets[60][0].RasterYSize
        k = min(side // 60, width, height)
        for row, column in sorted(
            zip(rng.integers(0, height - k + 1, n), rng.integers(0, width - k + 1, n), strict=True)
        ):
            for m in BANDS_AT:
                f = 60 // m
                samples[m].append(read_window(tile, datasets, m, int(column) * f, int(row) * f, k * f, k * f))
    if len({array.shape for array in samples[60]}) > 1:
        raise InputError(f"tiles {folder} are of several sizes, some below {side} m: remove the small ones")
    return {metres: np.stack(arrays) for metres, arrays in samples.items()}


def _crops(inputs, truth, size, batch_size, rng):
    n, height, width, _ = truth.shape
    size = min(size, height, width)
    while True:
        batch = []
        for _ in range(batch_size):
            i, row, column = rng.integers(n), rng.integers(height - size + 1), rng.integers(width - size + 1)
            turns, flip = rng.integers(4), rng.choice([1, -1])
            window = np.s_[i, row : row + size, column : column + size]
            batch.append([np.rot90(array[window], turns)[:, ::flip] for array in (*inputs, truth)])
        *inputs_now, truth_now = (np.stack(arrays) for arrays in zip(*batch, strict=True))
        yield tuple(inputs_now), truth_now
