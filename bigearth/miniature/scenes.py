"""The scenes of a miniature archive: rendered tiles and the patches to be cut from them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bigearth.labels import LABELS_43
from bigearth.miniature.landscape import draw_cover
from bigearth.miniature.places import TILES, Tile
from bigearth.miniature.rendering import render_bands
from bigearth.patch import PATCH_METRES, PIXELS, RESOLUTION

# A class is a label of a patch from this share of its area on (7.2 ha).
LABEL_SHARE = 0.05
# Snow or cloud and shadow over this share puts a patch on the exclusion lists.
COVERED_SHARE = 0.1
SPLIT_SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


@dataclass
class Patch:
    """A patch of a scene: its place in the tile's grid of patches, class indices, and the list it goes on."""

    col: int
    row: int
    classes: np.ndarray
    snow: bool
    cloud: bool
    split: str = ""


@dataclass(frozen=True)
class Scene:
    """A rendered tile.

    Attributes
    ----------
    tile : Tile
    cover : numpy.ndarray
        Class index, 10 m.
    bands : dict
        Digital numbers by band, uint16.
    snow, cloud : numpy.ndarray
        Where snow and where cloud or its shadow lies, bool, 10 m.
    patches : list of Patch
    """

    tile: Tile
    cover: np.ndarray
    bands: dict[str, np.ndarray]
    snow: np.ndarray
    cloud: np.ndarray
    patches: list[Patch]

    def corner_of(self, patch: Patch) -> tuple[int, int]:
        """Upper left corner of a patch in m."""
        return self.tile.x + patch.col * PATCH_METRES, self.tile.y - patch.row * PATCH_METRES

    def cut_band(self, patch: Patch, band: str) -> np.ndarray:
        """Pixels of a patch in one band, uint16."""
        return self.bands[band][window_of(patch, RESOLUTION[band])]

    def cut_cover(self, patch: Patch) -> np.ndarray:
        """Class index of a patch's pixels, 10 m."""
        return self.cover[window_of(patch, 10)]


def window_of(patch: Patch, metres: int) -> tuple[slice, slice]:
    """Return the window of a patch in an array of its tile, in pixels of `metres`."""
    size = PIXELS[metres]
    return np.s_[patch.row * size : (patch.row + 1) * size, patch.col * size : (patch.col + 1) * size]


def render_scenes(patches: int, seed: int, only: list[str] | None = None) -> Iterator[Scene]:
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
    needs = np.zeros((len(SPLIT_SHARES), len(LABELS_43)))
    for i, tile in enumerate(TILES):
        if only and tile.name not in only:
            continue
        count = patches // len(TILES) + (i < patches % len(TILES))
        rng = np.random.default_rng([seed, i])
        side = int(np.ceil(np.sqrt(count)))
        cover, height = draw_cover(tile, side, rng)
        bands, snow, cloud = render_bands(tile, cover, height, rng)
        chosen = _choose_patches(cover, snow, cloud, side, count)
        _deal_to_splits(chosen, needs, rng)
        yield Scene(tile, cover, bands, snow, cloud, chosen)


def label_windows(cover: np.ndarray, side: int) -> np.ndarray:
    """Label all patches of a tile by the land cover of their pixels: (side * side, 43) bool, in raster order."""
    windows = _split_into_windows(cover, side)
    share = np.stack([np.bincount(window, minlength=len(LABELS_43)) for window in windows]) / PIXELS[10] ** 2
    return share >= np.minimum(LABEL_SHARE, share.max(1, keepdims=True))


def _choose_patches(cover: np.ndarray, snow: np.ndarray, cloud: np.ndarray, side: int, count: int) -> list[Patch]:
    """Choose the patches of a tile; of a grid that is too large, those with the commonest classes stay out."""
    is_label = label_windows(cover, side)
    rarity = (is_label / np.maximum(is_label.sum(0), 1)).max(1)
    chosen = np.sort(np.argsort(-rarity, kind="stable")[:count])
    under_snow = _split_into_windows(snow, side).mean(1) > COVERED_SHARE
    under_cloud = _split_into_windows(cloud, side).mean(1) > COVERED_SHARE
    patches = []
    for i in chosen.tolist():
        classes = np.flatnonzero(is_label[i])
        patches.append(Patch(i % side, i // side, classes, bool(under_snow[i]), bool(under_cloud[i])))
    return patches


def _split_into_windows(array: np.ndarray, side: int) -> np.ndarray:
    """The pixels of each patch of a tile: (side * side, pixels) in raster order."""
    return array.reshape(side, PIXELS[10], side, PIXELS[10]).swapaxes(1, 2).reshape(side * side, -1)


def _deal_to_splits(patches: list[Patch], needs: np.ndarray, rng: np.random.Generator) -> None:
    """Deal the patches to the splits, rare classes first, each to the split that lacks its rarest class most.

    After Sechidis et al. 2011 (iterative stratification): every class reaches every split. As in the official lists,
    neighbours may fall on both sides. `needs` (splits x classes) runs on from tile to tile.
    """
    counts = np.zeros(len(LABELS_43))
    for patch in patches:
        counts[patch.classes] += 1
    names, shares = list(SPLIT_SHARES), np.array(list(SPLIT_SHARES.values()))
    order = sorted(rng.permutation(len(patches)), key=lambda i: counts[patches[i].classes].min())
    needs += shares[:, None] * counts
    room = shares * len(patches)
    for i in order:
        patch = patches[i]
        if patch.snow or patch.cloud:
            needs[:, patch.classes] -= shares[:, None]
            choice = int(np.argmax(room))
        else:
            rarest = patch.classes[np.argmin(counts[patch.classes])]
            # the needs of small splits weigh as much as those of large ones
            choice = int(np.argmax(needs[:, rarest] / shares**0.3 + 1e-3 * room))
            needs[choice, patch.classes] -= 1
        patch.split = names[choice]
        room[choice] -= 1
