"""Training DSen2 where its published weights cannot be had or do not fit: on the user's own tiles or patches.

As published (Lanaras et al. 2018), the networks learn at reduced resolution, 40 m to 20 m and 360 m to 60 m, where the
original bands are the truth; L1 loss, Nadam.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from bigearth.files import resolve, write_whole
from bigearth.mpi import Communicator, communicator, on_first_rank, rank_and_size
from bigearth.outside import read_json
from bigearth.patch import MINIATURE_MARKER
from bigearth.upsampling.dsen2 import SCALE, WINDOW, Bands, build
from bigearth.upsampling.samples import draw_crops, make_pairs, sample_patches, sample_tiles
from bigearth.upsampling.weights import TRAINED

CROP = {20: 32, 60: 96}  # pixels of the truth per side, where the samples are as large


@dataclass(frozen=True)
class Settings:
    """Size of the networks and length of their training.

    Attributes
    ----------
    samples : int
        Windows or patches per rank.
    features, blocks : int
        Of the networks; see `dsen2.build`.
    epochs, steps : int
        Steps per epoch.
    batch_size : int
        Crops per rank and step.
    learning_rate : float
        At the beginning.
    seed : int
    """

    samples: int = 2000
    features: int = 128
    blocks: int = 6
    epochs: int = 20
    steps: int = 500
    batch_size: int = 128
    learning_rate: float = 1e-4
    seed: int = 1


def choose_settings(miniature: bool, from_tiles: bool, seed: int) -> Settings:
    """Choose settings by what the networks learn from.

    Parameters
    ----------
    miniature : bool
        The generated archive: narrow networks, trained for a moment; else those of the publication.
    from_tiles : bool
        Samples are windows of tiles, which hold far more pixels than patches: fewer of them.
    seed : int
    """
    settings = Settings(seed=seed)
    if miniature:
        settings = Settings(100, features=16, blocks=1, epochs=4, steps=50, batch_size=8, learning_rate=5e-3, seed=seed)
    if from_tiles:
        settings = replace(settings, samples=64)
    return settings


def train_networks(
    *,
    weights: str | Path,
    archive: str | Path = "",
    tiles: str | Path = "",
    workdir: str | Path = "",
    seed: int = 1,
    settings: Settings | None = None,
) -> dict[int, list[float]]:
    """Train both networks on this and all other MPI ranks and save them; call it on every rank.

    Each rank learns from its own samples; after every epoch the ranks average their weights. Networks that the folder
    holds already, trained with the same settings, are left as they are.

    Parameters
    ----------
    weights : Path or str
        Folder for the networks, as `weights.load` reads them.
    archive, tiles : Path or str
        Where the samples come from: windows of 5.76 km from tiles if given, else patches of the archive.
    workdir : Path or str
        Holds the archive's cached index.
    seed : int
    settings : Settings, optional
        Default: by what the networks learn from, see `choose_settings`.

    Returns
    -------
    dict
        {20: loss per epoch, 60: loss per epoch}
    """
    if settings is None:
        miniature = bool(archive) and (resolve(archive) / MINIATURE_MARKER).exists()
        settings = choose_settings(miniature, bool(tiles), seed)
    comm = communicator()
    rank, _ = rank_and_size(comm)
    folder = resolve(weights)
    wanted = asdict(settings) | {"archive": str(archive), "tiles": str(tiles)}
    losses = on_first_rank(comm, _find_trained, folder, wanted)
    if losses is not None:
        return losses

    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng([settings.seed, rank])
    if tiles:
        bands = sample_tiles(resolve(tiles), settings.samples, rng)
    else:
        bands = sample_patches(resolve(archive), resolve(workdir), settings.samples, rng)
    losses = {}
    models = {}
    for metres in WINDOW:
        models[metres] = build(metres, settings.features, settings.blocks)
        losses[metres] = train(models[metres], bands, metres, settings, comm)
    on_first_rank(comm, _save, folder, models, {"settings": wanted, "losses": losses})
    return losses


def train(model: keras.Model, bands: Bands, metres: int, settings: Settings, comm: Communicator = None) -> list[float]:
    """Train a network at reduced resolution on random crops, rotated and flipped.

    The learning rate falls to 0 on a cosine. (Published: it is halved whenever the validation loss stagnates.)

    Parameters
    ----------
    model : keras.Model
        See `dsen2.build`.
    bands : dict
        {10: (n, h, w, 4), 20: (n, h/2, w/2, 6), 60: (n, h/6, w/6, 2)}, digital numbers.
    metres : int
        20 or 60.
    settings : Settings
        Its size of the networks and number of samples are not used here.
    comm : MPI communicator, optional
        Ranks that average their weights after every epoch.

    Returns
    -------
    list of float
        Loss of each epoch: mean absolute error in units of `dsen2.SCALE` digital numbers.
    """
    inputs, truth = make_pairs(bands, metres)
    rank, _ = rank_and_size(comm)
    if comm:
        model.set_weights(comm.bcast(model.get_weights()))

    def end_epoch(epoch: int, logs: dict) -> None:
        if rank == 0:
            error = SCALE * logs["loss"]
            print(f"{metres} m network, epoch {epoch + 1} of {settings.epochs}: mean error {error:.0f}", flush=True)
        if comm:
            everyone = comm.allgather(model.get_weights())
            model.set_weights([sum(arrays) / len(arrays) for arrays in zip(*everyone, strict=True)])

    # Start from plain interpolation: without this the first thousands of steps only undo what the last layer adds.
    last = model.layers[-2]
    last.kernel.assign(0.01 * last.kernel)
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * settings.steps)
    model.compile(keras.optimizers.Nadam(schedule), "mean_absolute_error")
    rng = np.random.default_rng([settings.seed, rank, metres])
    history = model.fit(
        draw_crops(inputs, truth, CROP[metres], settings.batch_size, rng),
        epochs=settings.epochs,
        steps_per_epoch=settings.steps,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=end_epoch)],
    )
    return history.history["loss"]


def _find_trained(folder: Path, wanted: dict) -> dict[int, list[float]] | None:
    """The losses of networks that the folder holds, trained with these settings; None where it holds none."""
    record = folder / "training.json"
    if not record.exists():
        return None
    earlier = read_json(record, "record of a training of DSen2")
    networks_there = all((folder / name).exists() for name in TRAINED.values())
    if not isinstance(earlier, dict) or earlier.get("settings") != wanted or not networks_there:
        return None
    return {int(metres): losses for metres, losses in earlier["losses"].items()}


def _save(folder: Path, models: dict[int, keras.Model], record: dict) -> None:
    for metres, model in models.items():
        with write_whole(folder / TRAINED[metres]) as partial:
            model.save(partial)
    with write_whole(folder / "training.json") as partial:
        partial.write_text(json.dumps(record))
