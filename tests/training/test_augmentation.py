"""Augmentation: the symmetries of the square, and mix-up."""

import keras
import numpy as np

from bigearth.training import augmentation


def symmetries(patch):
    return [np.rot90(side, turns) for side in (patch, patch[:, ::-1]) for turns in range(4)]


def test_patches_are_turned_by_all_eight_symmetries_alike_in_all_resolutions():
    random = np.random.default_rng(0)
    fine, coarse = random.random((200, 6, 6, 2), np.float32), random.random((200, 3, 3, 1), np.float32)
    turned = augmentation.rotate_and_flip({"fine": fine, "coarse": coarse}, keras.random.SeedGenerator(1))
    found = []
    for i in range(200):
        which = [k for k, s in enumerate(symmetries(fine[i])) if np.array_equal(s, np.array(turned["fine"][i]))]
        assert len(which) == 1
        assert np.array_equal(symmetries(coarse[i])[which[0]], np.array(turned["coarse"][i]))
        found += which
    assert set(found) == set(range(8))


def test_mix_up_blends_patches_and_labels_by_the_same_weight():
    truth = np.eye(64, dtype=np.float32)
    features = {"a": np.tile(truth[:, None, None], (1, 4, 4, 1)), "b": np.tile(truth[:, None, None], (1, 2, 2, 1))}
    mixed, labels = augmentation.mix_up(features, truth, keras.layers.MixUp(0.4), keras.random.SeedGenerator(1))
    labels = np.array(labels)
    assert np.allclose(np.array(mixed["a"])[:, 1, 2], labels) and np.allclose(np.array(mixed["b"])[:, 0, 1], labels)
    assert np.allclose(labels.sum(axis=1), 1) and (labels >= 0).all()
    own = np.diag(labels)
    assert own.std() > 0.1 and 1 < (labels[own < 1] > 0).sum(axis=1).max() <= 2


def test_the_seed_alone_decides():
    features = {"a": np.random.default_rng(0).random((8, 4, 4, 1), np.float32)}
    first, again, other = (
        np.array(augmentation.rotate_and_flip(features, keras.random.SeedGenerator(seed))["a"]) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
