"""The labels: 43, their 19 groups, codes and colours; unknown ones are refused."""

import re

import numpy as np
import pandas as pd
import pytest

from bigearth.errors import InputError
from bigearth.labels import CLC_CODE, COLOURS, LABELS_19, LABELS_43, TO_19, binarise, label_names, to_19


def test_codes_follow_corine_and_every_label_has_a_colour():
    codes = [CLC_CODE[label] for label in LABELS_43]
    assert len(set(codes)) == 43 and codes == sorted(codes)
    assert (CLC_CODE["Continuous urban fabric"], CLC_CODE["Sea and ocean"]) == (111, 523)
    assert 335 not in codes  # glaciers are not in the archive
    assert all(re.fullmatch("#[0-9a-f]{6}", COLOURS[label]) for label in LABELS_43 + LABELS_19)
    assert COLOURS["Urban fabric"] == COLOURS["Continuous urban fabric"] == "#e6004d"
    assert len({COLOURS[label] for label in LABELS_43}) == 43


def test_the_grouping_drops_eleven_classes():
    assert label_names(43) == LABELS_43 and label_names(19) == LABELS_19 and len(LABELS_19) == 19
    assert sum(group is None for group in TO_19.values()) == 11
    assert to_19(["Sea and ocean", "Estuaries", "Port areas", "Rice fields"]) == ["Arable land", "Marine waters"]
    assert to_19(["Bare rock", "Burnt areas"]) == []


def test_labels_become_columns_in_their_order():
    matrix = binarise([["Sea and ocean", "Continuous urban fabric"], []], LABELS_43)
    assert matrix.dtype == np.uint8 and matrix.shape == (2, 43)
    assert np.flatnonzero(matrix[0]).tolist() == [0, 42] and not matrix[1].any()


def test_unknown_labels_are_named():
    with pytest.raises(InputError, match="Glaciers"):
        binarise([["Glaciers"]], LABELS_43)
    with pytest.raises(InputError, match="Glaciers"):
        to_19(["Glaciers"])
    with pytest.raises(InputError, match="42"):
        label_names(42)


def test_v2_uses_the_same_19_labels(real_data):
    table = pd.read_parquet(real_data / "BigEarthNet-v2" / "metadata.parquet", columns=["labels"])
    assert set(table["labels"].explode()) == set(LABELS_19)
