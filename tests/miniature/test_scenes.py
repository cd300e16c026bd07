"""The patches of a scene: labels with area, every class in every split."""

from collections import Counter

import numpy as np

from bigearth.miniature import rendering
from bigearth.miniature.scenes import LABEL_SHARE, render_scenes
from bigearth.patch import PATCH_METRES, PIXELS, RESOLUTION


def test_labels_are_the_classes_with_real_area(landscape):
    for scene in landscape:
        for patch in scene.patches:
            share = np.bincount(scene.cut_cover(patch).ravel(), minlength=43) / 120**2
            assert set(patch.classes) == set(np.flatnonzero(share >= min(LABEL_SHARE, share.max())))


def test_every_class_has_eight_patches_and_is_in_every_split(monkeypatch):
    monkeypatch.setattr(rendering, "BANDS", ())  # labels, snow and cloud are the same without the pixels
    total, clear = Counter(), {split: Counter() for split in ("train", "val", "test")}
    sizes = []
    for scene in render_scenes(1000, 1):
        for patch in scene.patches:
            total.update(patch.classes.tolist())
            sizes.append(len(patch.classes))
            if not patch.snow and not patch.cloud:
                clear[patch.split].update(patch.classes.tolist())
    assert len(sizes) == 1000 and max(sizes) <= 12 and np.mean(np.array(sizes) <= 5) > 0.9
    assert len(total) == 43 and min(total.values()) >= 8
    assert all(len(counts) == 43 for counts in clear.values())
    # a long tail: the commonest class has more than ten times the patches of the rarest
    assert max(total.values()) > 10 * min(total.values())


def test_windows_tile_the_scene(landscape):
    scene = landscape[0]
    first, last = scene.patches[0], scene.patches[-1]
    assert scene.corner_of(first) == (scene.tile.x + PATCH_METRES * first.col, scene.tile.y - PATCH_METRES * first.row)
    for band, metres in RESOLUTION.items():
        size = PIXELS[metres]
        rows, columns = slice(last.row * size, None), slice(last.col * size, None)
        np.testing.assert_array_equal(scene.cut_band(last, band), scene.bands[band][rows, columns][:size, :size])


def test_one_tile_is_the_same_alone(landscape):
    (alone,) = render_scenes(60, 7, ["T33UWP"])
    among = next(scene for scene in landscape if scene.tile.name == "T33UWP")
    assert all(np.array_equal(alone.bands[band], among.bands[band]) for band in RESOLUTION)
