"""The scenes of a miniature archive: rendered tiles and what is to be cut from them."""

from dataclasses import dataclass

import numpy as np

from bigearth.nomenclature import LABELS_43
from bigearth.sentinel2 import SIZE
from bigearth.synthetic.landscape import TILES, Tile, cover_map
from bigearth.synthetic.rendering import render

# A class is a label of a patch from this share of its area on.
LABEL_SHARE = 0.05


@dataclass(frozen=True)
class Scene:
    """A rendered tile: land cover (class index, 10 m), bands {name: uint16}, patches as dicts."""

    tile: Tile
    cover: np.ndarray
    bands: dict
    patches: list


def scenes(patches, seed):
    """Render the tiles of a miniature of so many patches, one after the other.

    Parameters
    ----------
    patches : int
        Number of patches over all tiles.
    seed : int
        Same seed, same pixels.

    Yields
    ------
    Scene
    """
    shares = [patches // len(TILES) + (i < patches % len(TILES)) for i in range(len(TILES))]
    for i, (tile, count) in enumerate(zip(TILES, shares, strict=True)):
        rng = np.random.default_rng([seed, i])
        side = int(np.ceil(np.sqrt(max(count, 1))))
        cover = cover_map(tile, side * SIZE[10], rng)
        yield Scene(tile, cover, render(cover, tile, rng), _patches(cover, side, count, rng))


def _patches(cover, side, count, rng):
    size = SIZE[10]
    found = []
    for row in range(side):
        for col in range(side):
            window = cover[row * size : (row + 1) * size, col * size : (col + 1) * size]
            share = np.bincount(window.ravel(), minlength=len(LABELS_43)) / window.size
            classes = np.flatnonzero(share >= min(LABEL_SHARE, share.max()))
            found.append({"col": col, "row": row, "classes": classes, "snow": False, "cloud": False})
    for patch in found:
        patch["split"] = ("train", "val", "test")[int(rng.choice(3, p=[0.6, 0.2, 0.2]))]
    return found[:count]
