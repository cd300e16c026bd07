"""What every training batch goes through on the device: the square's symmetries and mix-up."""

from keras import ops, random


def rotate_and_flip(features, seed):
    """Turn each patch by a random one of the square's eight symmetries (rotations by 90 degrees, flips).

    A transposition and two flips, each by the toss of a coin, reach each of the eight exactly once.

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
        turned[key] = ops.where(coins[2], ops.flip(x, 2), x)
    return turned


def mix_up(features, truth, alpha, seed):
    """Blend each patch with another of its batch, its labels with the other's by the same weight.

    Zhang et al. 2018 (mixup: beyond empirical risk minimization), with one weight per patch from Beta(alpha, alpha)
    as in the paper; that labels are mixed too, and alpha, are our choice.

    Parameters
    ----------
    features : {key: (batch, pixels, pixels, bands)} float
        Digital numbers: scaling and bilinear upsampling are linear, so blending before them is the same.
    truth : (batch, C) float
    alpha : float
    seed : keras.random.SeedGenerator

    Returns
    -------
    tuple
        As ``features``, as ``truth``.
    """
    batch = truth.shape[0]
    weight = random.beta((batch, 1), alpha, alpha, seed=seed)
    partner = random.shuffle(ops.arange(batch), seed=seed)

    def blend(x):
        own = ops.reshape(weight, (batch, *[1] * (len(x.shape) - 1)))
        return own * x + (1 - own) * ops.take(x, partner, axis=0)

    return {key: blend(x) for key, x in features.items()}, blend(truth)
