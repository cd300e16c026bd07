"""Random splits: their shares, and that they depend on nothing but seed and names."""

import pandas as pd

from bigearth.archive.splitting import hash_names, split_at_random


def test_shares_of_a_random_split():
    split = split_at_random(pd.Series([f"patch {i}" for i in range(1000)]), seed=1)
    assert split.value_counts().to_dict() == {"train": 600, "validation": 200, "test": 200}


def test_split_depends_on_seed_and_names_only():
    names = pd.Series([f"patch {i}" for i in range(100)])
    shuffled = names.sample(frac=1, random_state=3)
    assert split_at_random(shuffled, 1).sort_index().equals(split_at_random(names, 1))
    assert not split_at_random(names, 2).equals(split_at_random(names, 1))


def test_hashes_are_the_same_on_every_machine():
    assert hash_names(pd.Series(["S2A_MSIL2A_20170613T101031_0_45"]), "split 1").tolist() == [7880270936510830913]
