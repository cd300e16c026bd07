"""The scenes of a miniature archive: rendered tiles and the patches to be cut from them."""

from dataclasses import dataclass

import numpy as np

from bigearth.labels import LABELS_43
from bigearth.miniature.landscape import draw
from bigearth.miniature.places import TILES, Tile
from bigearth.miniature.rendering import render
from bigearth.patch import PIXELS

# A class is a label of a patch from this share of its area on (7.2 ha).
LABEL_SHARE = 0.05
# Snow or cloud and shadow over this share puts a patch on the exclusion lists.
COVERED_SHARE = 0.1
SPLITS = {"train": 0.6, "val": 0.2, "test": 0.2}


@dataclass(frozen=True)
class Scene:
    """A rendered tile.

    `cover`: class index, 10 m; `bands`: digital numbers by band; `snow`, `cloud`: bool, 10 m (with shadows);
    `patches`: dicts of col, row, classes (indices), snow, cloud, split.
    """

    tile: Tile
    cover: np.ndarray
    bands: dict
    snow: np.ndarray
    cloud: np.ndarray
    patches: list


def scenes(patches, seed, only=None):
    """Render the tiles of a miniature, one after the other, so that one is in memory at a time.

    Parameters
    ----------
    patches : int
        Number of patches over all tiles, six or more.
    seed : int
        Same seed, same pixels.
    only : list of str, optional
        Render these tiles only; then the splits mean nothing.

    Yields
    ------
    Scene
    """
    needs = np.zeros((len(SPLITS), len(LABELS_43)))
    for i, tile in enumerate(TILES):
        if only and tile.name not in only:
            continue
        count = patches // len(TILES) + (i < patches % len(TILES))
        rng = np.random.default_rng([seed, i])
        side = int(np.ceil(np.sqrt(count)))
        cover, height = draw(tile, side, rng)
        bands, snow, cloud = render(tile, cover, height, rng)
        found = _patches(cover, snow, cloud, side, count)
        _split(found, needs, rng)
        yield Scene(tile, cover, bands, snow, cloud, found)


def _patches(cover, snow, cloud, side, count):
    """The patches of a tile; of a grid that is too large, those with the commonest classes stay out."""

    def windows(array):
        return array.reshape(side, PIXELS[10], side, PIXELS[10]).swapaxes(1, 2).reshape(side * side, -1)

    share = np.stack([np.bincount(w, minlength=len(LABELS_43)) for w in windows(cover)]) / PIXELS[10] ** 2
    is_label = share >= np.minimum(LABEL_SHARE, share.max(1, keepdims=True))
    rarity = (is_label / np.maximum(is_label.sum(0), 1)).max(1)
    chosen = np.sort(np.argsort(-rarity, kind="stable")[:count])
    covered = [windows(mask).mean(1) > COVERED_SHARE for mask in (snow, cloud)]
    return [
        {
            "col": int(i % side),
            "row": int(i // side),
            "classes": np.flatnonzero(is_label[i]),
            "snow": bool(covered[0][i]),
            "cloud": bool(covered[1][i]),
        }
        for i in chosen
    ]


def _split(patches, needs, rng):
    """Deal the patches to the splits, rare classes first, each to the split that lacks its rarest class most.

    After Sechidis et al. 2011 (iterative stratification): every class reaches every split. As in the official lists,
    neighbours may fall on both sides. `needs` (splits x classes) runs on from tile to tile.
    """
    counts = np.zeros(len(LABELS_43))
    for patch in patches:
        counts[patch["classes"]] += 1
    shares = np.array(list(SPLITS.values()))
    order = sorted(rng.permutation(len(patches)), key=lambda i: counts[patches[i]["classes"]].min())
    needs += shares[:, None] * counts
    room = shares * len(patches)
    for i in order:
        patch = patches[i]
        if patch["snow"] or patch["cloud"]:
            needs[:, patch["classes"]] -= shares[:, None]
            patch["split"] = list(SPLITS)[int(np.argmax(room))]
            room[np.argmax(room)] -= 1
            continue
        rarest = patch["classes"][np.argmin(counts[patch["classes"]])]
        # The needs of small splits weigh as much as those of large ones.
        choice = int(np.argmax(needs[:, rarest] / shares**0.3 + 1e-3 * room))
        patch["split"] = list(SPLITS)[choice]
        needs[choice, patch["classes"]] -= 1
        room[choice] -= 1
