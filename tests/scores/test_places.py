"""Scores by country or tile."""

import pandas as pd
import pytest

from bigearth.scores.metrics import assign_labels
from bigearth.scores.places import read_places, score_places
from bigearth.scores.predictions import read_predictions
from tests.scores.generated_predictions import write_predictions


@pytest.mark.parametrize(("countries", "unit"), [(["Austria", "Serbia"], "country"), ([None, None], "tile")])
def test_the_country_where_it_is_known(tmp_path, countries, unit):
    table = pd.DataFrame({"patch": ["a", "b"], "country": countries, "tile": ["T1", "T2"]})
    table.to_parquet(tmp_path / "patches.parquet")
    places = read_places(tmp_path / "patches.parquet")
    assert places.name == unit and places["a"] == (countries[0] or "T1")


def test_patches_without_a_place_are_left_out(tmp_path):
    predictions = read_predictions(write_predictions(tmp_path, "rgb", quality=1))
    places = pd.Series({"patch-0": "T1", "patch-1": "T1", "patch-2": "T2"}, name="tile")
    found = score_places(predictions, assign_labels(predictions.score), places)
    assert found.to_dict("records") == [
        {"unit": "tile", "place": "T1", "patches": 2, "micro_f1": 1.0},
        {"unit": "tile", "place": "T2", "patches": 1, "micro_f1": 1.0},
    ]
    assert score_places(predictions, assign_labels(predictions.score), places[:0]).empty
