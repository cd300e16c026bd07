"""Random splits that depend on a seed and the patches' names only, so that every machine draws the same."""

import hashlib

import pandas as pd

from bigearth.patch import SPLITS

TRAIN_SHARE = 0.6
VALIDATION_SHARE = 0.2


def split_at_random(patches: pd.Series, seed: int) -> pd.Series:
    """Split patches at random: 60 % for training, 20 % for validation, 20 % for the test.

    Parameters
    ----------
    patches : pandas.Series of str
        Names of N patches.
    seed : int

    Returns
    -------
    pandas.Series of str
        The split of each patch, with the index of ``patches``.
    """
    train, validation, test = SPLITS
    place = hash_names(patches, f"split {seed}").argsort().argsort()
    split = pd.Series(test, patches.index, dtype=object)
    split[place < round(len(patches) * (TRAIN_SHARE + VALIDATION_SHARE))] = validation
    split[place < round(len(patches) * TRAIN_SHARE)] = train
    return split


def hash_names(patches: pd.Series, salt: str) -> pd.Series:
    """Give each name a 64-bit number that depends on the salt and the name only: the same on every machine."""
    salted = hashlib.blake2b(salt.encode(), digest_size=8)
    numbers = []
    for name in patches.tolist():
        copy = salted.copy()
        copy.update(name.encode())
        numbers.append(int.from_bytes(copy.digest(), "big"))
    return pd.Series(numbers, index=patches.index, dtype="uint64")
