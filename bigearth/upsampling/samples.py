"""Samples to train DSen2 on: patches of an archive, or windows of tiles; and pairs at reduced resolution."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bigearth.archive.index import read_index
from bigearth.archive.pixels import read_patches
from bigearth.archive.products import find_tiles
from bigearth.archive.source import open_archive
from bigearth.archive.tile_pixels import open_bands, read_window
from bigearth.errors import InputError
from bigearth.patch import BANDS_AT
from bigearth.upsampling.dsen2 import SCALE, Bands, network_inputs
from bigearth.upsampling.quality import reduce_resolution

_COARSEST = max(BANDS_AT)


def sample_patches(archive: Path, workdir: Path, count: int, rng: np.random.Generator) -> Bands:
    """Read random patches of an archive.

    Parameters
    ----------
    archive : Path
    workdir : Path
        Holds the archive's cached index.
    count : int
        Patches, fewer where the archive has fewer.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        {10: (n, 120, 120, 4), 20: (n, 60, 60, 6), 60: (n, 20, 20, 2)}, digital numbers.
    """
    index = read_index(archive, workdir)
    chosen = rng.choice(index.folder, min(count, len(index)), replace=False)
    patches = read_patches(open_archive(archive, workdir), chosen.tolist())
    return {metres: np.stack([patch[metres] for patch in patches]) for metres in BANDS_AT}


def sample_tiles(folder: str | Path, count: int, rng: np.random.Generator, side: int = 5760) -> Bands:
    """Read random windows from all products of a folder.

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

    Raises
    ------
    InputError
        There is no product, one cannot be read, or tiles below ``side`` differ in size.
    """
    tiles = find_tiles(folder)
    counts = np.bincount(np.arange(count) % len(tiles), minlength=len(tiles))
    samples: dict[int, list[np.ndarray]] = {metres: [] for metres in BANDS_AT}
    for tile, n in zip(tiles, counts.tolist(), strict=True):
        datasets = open_bands(tile)
        width, height = datasets[_COARSEST][0].RasterXSize, datasets[_COARSEST][0].RasterYSize
        size = min(side // _COARSEST, width, height)
        rows = rng.integers(0, height - size + 1, n).tolist()
        columns = rng.integers(0, width - size + 1, n).tolist()
        for row, column in sorted(zip(rows, columns, strict=True)):
            for m in BANDS_AT:
                factor = _COARSEST // m
                place = column * factor, row * factor, size * factor, size * factor
                samples[m].append(read_window(tile, datasets, m, *place))
    if len({array.shape for array in samples[_COARSEST]}) > 1:
        raise InputError(f"tiles {folder} are of several sizes, some below {side} m: give a folder without them")
    return {metres: np.stack(arrays) for metres, arrays in samples.items()}


def make_pairs(bands: Bands, metres: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Make inputs and truth at reduced resolution, where a pixel of the network's grid is `metres` wide.

    As published (Lanaras et al. 2018): all bands are made coarser by `metres` / 10; the original bands are the truth.

    Parameters
    ----------
    bands : dict
        As `sample_patches` returns them.
    metres : int
        20 or 60.

    Returns
    -------
    inputs : list of (n, k, k, bands) float32 arrays
    truth : (n, k, k, bands) float32 array
        Both in units of `dsen2.SCALE`.
    """
    factor = metres // 10
    height, width = (side - side % factor for side in bands[metres].shape[1:3])
    reduced = {}
    for m in BANDS_AT:
        if m <= metres:
            cut = bands[m][:, : height * metres // m, : width * metres // m]
            reduced[m] = reduce_resolution(cut, factor)
    truth = bands[metres][:, :height, :width].astype(np.float32) / SCALE
    return network_inputs(reduced, metres), truth


def draw_crops(
    inputs: list[np.ndarray], truth: np.ndarray, size: int, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
    """Draw batches of random crops, rotated and flipped, without end.

    Parameters
    ----------
    inputs, truth
        As `make_pairs` returns them.
    size : int
        Pixels per side of a crop; less where the samples are smaller.
    batch_size : int
    rng : numpy.random.Generator

    Yields
    ------
    inputs : tuple of (batch_size, size, size, bands) arrays
    truth : (batch_size, size, size, bands) array
    """
    n, height, width, _ = truth.shape
    size = min(size, height, width)
    while True:
        crops = []
        for _ in range(batch_size):
            i, row, column = rng.integers(n), rng.integers(height - size + 1), rng.integers(width - size + 1)
            turns, flip = int(rng.integers(4)), rng.choice([1, -1])
            window = np.s_[i, row : row + size, column : column + size]
            crops.append([np.rot90(array[window], turns)[:, ::flip] for array in (*inputs, truth)])
        *inputs_now, truth_now = (np.stack(arrays) for arrays in zip(*crops, strict=True))
        yield tuple(inputs_now), truth_now
