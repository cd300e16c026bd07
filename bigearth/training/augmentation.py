"""How every training batch is augmented on the device: the square's symmetries, and mix-up."""

from typing import Any

import keras
from keras import ops, random


def rotate_and_flip(features: dict[str, Any], seed: keras.random.SeedGenerator) -> dict[str, Any]:
    """Turn each patch by a random one of the square's eight symmetries (rotations by 90 degrees, flips).

    A transposition and two flips, each by the toss of a coin, reach each of the eight exactly once. (Keras'
    ``RandomFlip`` knows no transposition, and tosses one coin for both flips.)

    Parameters
    ----------
    features : {key: (batch, pixels, pixels, bands)}
        All arrays of a patch are turned alike.
    seed : keras.random.SeedGenerator

    Returns
    -------
    dict
        As ``features``.
    """
    batch = next(iter(features.values())).shape[0]
    coins = random.uniform((3, batch, 1, 1, 1), seed=seed) < 0.5
    turned = {}
    for key, x in features.items():
        x = ops.where(coins[0], ops.transpose(x, (0, 2, 1, 3)), x)
        x = ops.where(coins[1], ops.flip(x, 1), x)
        x = ops.where(coins[2], ops.flip(x, 2), x)
        turned[key] = x
    return turned


def mix_up(
    features: dict[str, Any], truth: Any, layer: keras.layers.MixUp, seed: keras.random.SeedGenerator
) -> tuple[dict[str, Any], Any]:
    """Blend each patch with another of its batch, and its labels with the other's by the same weight.

    Zhang et al. 2018 (mixup: beyond empirical risk minimization), with one weight per patch from Beta(alpha, alpha)
    as in the paper. The paper speaks of subtracting a shuffled batch, but cites Zhang et al., who add it: added here,
    since a difference of two patches is no image. That labels are mixed too, and alpha, are our choice.

    Parameters
    ----------
    features : {key: (batch, pixels, pixels, bands)} float
        Digital numbers: scaling and bilinear upsampling are linear, so blending before them is the same.
    truth : (batch, C) float
    layer : keras.layers.MixUp
        Holds alpha.
    seed : keras.random.SeedGenerator

    Returns
    -------
    tuple
        As ``features``, as ``truth``.
    """
    chosen = layer.get_random_transformation(truth, seed=seed)
    mixed = {key: layer.transform_images(x, chosen) for key, x in features.items()}
    return mixed, layer.transform_labels(truth, chosen)
