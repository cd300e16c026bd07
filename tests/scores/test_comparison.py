"""Runs side by side, and beside the paper."""

import h5py
import numpy as np
import pandas as pd
import pytest

from bigearth.errors import InputError
from bigearth.labels import LABELS_19
from bigearth.scores.comparison import compare_runs
from tests.scores.generated_predictions import write_predictions


@pytest.fixture
def comparison(tmp_path):
    write_predictions(tmp_path, "rgb-s1", 0.8, seed=1)
    write_predictions(tmp_path, "rgb-s2", 0.8, seed=2)
    write_predictions(tmp_path, "all", 0.95, bands="multispectral")
    return compare_runs(tmp_path, ["rgb-s1", "rgb-s2", "all"], samples=200)


def test_scores_stand_beside_table_2(comparison):
    overall = comparison.overall.set_index(["run", "average", "measure"]).sort_index()
    assert len(overall) == 3 * 4 * 3
    assert set(overall.loc["all", "paper"]) == {0.83, 0.75, 0.79} and comparison.best == "all"
    row = overall.loc[("all", "micro", "f1")]
    assert row.low <= row.value <= row.high and row.difference == pytest.approx(row.value - 0.79)
    assert comparison.micro_f1["all"] == row.value


def test_the_lead_of_the_best_has_an_interval(comparison):
    behind = comparison.compare_with_best().set_index("run")
    assert behind.index.tolist() == ["rgb-s1", "rgb-s2"] and (behind["beyond chance"] == "yes").all()
    assert behind["behind the best by"].between(behind["low"], behind["high"]).all()


def test_a_constant_prediction_is_the_floor(comparison):
    labels, floor = comparison.find_floor()
    assert set(labels) <= set(comparison.labels) and 0 < floor < comparison.micro_f1["rgb-s1"]


def test_classes_stand_beside_table_3(comparison):
    classes = comparison.compare_classes()
    assert len(classes) == 43 and classes["support"].is_monotonic_decreasing
    assert classes["support"].sum() == comparison.support.sum()
    airports = classes.set_index("label").loc["Airports"]
    assert airports["rgb, paper"] == 0.374384 and airports["support, paper"] == 157
    assert airports["multispectral, difference"] == airports["multispectral"] - 0.300518
    without = comparison.per_class[comparison.per_class["support"] == 0]
    assert without["value"].isna().all()


def test_bands_are_compared_over_the_same_patches_only(comparison, tmp_path):
    gains = comparison.compare_bands()
    assert gains["gain"].is_monotonic_increasing and (gains["low"] <= gains["high"]).all()
    assert gains.set_index("label").loc["Airports", "paper"] == pytest.approx(0.300518 - 0.374384)
    write_predictions(tmp_path, "others", bands="multispectral", patches=30)
    assert compare_runs(tmp_path, ["rgb-s1", "others"], samples=10).compare_bands().empty


def test_thresholds_come_from_the_validation_split(comparison):
    thresholds = comparison.choose_thresholds()
    changes = comparison.compare_thresholds(thresholds)
    assert thresholds.columns.tolist() == ["label", "rgb-s1", "rgb-s2", "all"] and len(changes) == 3 * 4
    assert (changes["change"] == changes["F1, threshold per class"] - changes["F1, threshold 0.5"]).all()
    assert changes["average precision"].notna().sum() == 3 * 2


def test_repeats_are_averaged(comparison):
    repeats = comparison.average_repeats().set_index(["base", "average"])
    row = repeats.loc[("rgb", "micro")]
    both = comparison.micro_f1[["rgb-s1", "rgb-s2"]]
    assert row["repeats"] == 2 and row["mean_f1"] == pytest.approx(both.mean())
    assert row["deviation"] == pytest.approx(both.std()) and repeats.loc[("all", "micro"), "repeats"] == 1


def test_places_come_from_the_index(comparison, tmp_path):
    assert comparison.score_places().empty
    index = pd.DataFrame({"patch": [f"patch-{i}" for i in range(60)], "country": None, "tile": ["T1", "T2"] * 30})
    index.to_parquet(tmp_path / "patches.parquet")
    places = comparison.score_places()
    assert set(places["place"]) == {"T1", "T2"} and set(places["unit"]) == {"tile"}
    assert places.groupby("run")["patches"].sum().tolist() == [20, 20, 20]
    (tmp_path / "patches.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(InputError, match="patches.parquet"):
        comparison.score_places()


def test_empty_splits_are_said(tmp_path):
    write_predictions(tmp_path, "small", patches=1)
    with pytest.raises(InputError, match="allow_empty_splits"):
        compare_runs(tmp_path, ["small"], samples=10)
    comparison = compare_runs(tmp_path, ["small"], samples=10, allow_empty_splits=True)
    assert comparison.scored == "train" and "Not a test" in comparison.warning
    assert np.isfinite(comparison.overall["value"]).all()


def test_a_single_run_is_scored_alone(tmp_path):
    write_predictions(tmp_path, "list", bands=["B02", "B03"])
    comparison = compare_runs(tmp_path, ["list", "missing"], samples=10)
    assert comparison.models == {"list": "B02 B03"} and comparison.compare_with_best().empty
    assert comparison.compare_bands().empty and comparison.warning == ""
    assert "is missing" in comparison.status.set_index("run")["status"]["missing"]


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"samples": -5}, {"samples": 10**9}, {"seed": -1}])
def test_impossible_numbers_are_refused(tmp_path, wrong):
    write_predictions(tmp_path, "rgb")
    with pytest.raises(InputError, match=next(iter(wrong))):
        compare_runs(tmp_path, ["rgb"], **wrong)


def test_published_scores_of_v2_stand_beside_patches_of_v2_alone(comparison, tmp_path):
    assert comparison.compare_with_v2().empty
    path = write_predictions(tmp_path, "v2", labels=LABELS_19, nomenclature=19)
    with h5py.File(path, "r+") as file:
        names = [f"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_{i:02d}" for i in range(len(file["patch"]))]
        del file["patch"]
        file["patch"] = np.array(names, dtype=h5py.string_dtype())
    of_v2 = compare_runs(tmp_path, ["v2"], samples=10, seed=1)
    table = of_v2.compare_with_v2().set_index(["measure", "average"])
    assert table["published"].to_dict()["f1", "macro"] == 0.644 and len(table) == 4
    assert table["published for"].str.contains("Sentinel-1 and Sentinel-2 together").all()
    assert table["value"]["f1", "micro"] == of_v2.micro_f1["v2"]
    assert table["value"].between(0, 1).all()
    assert of_v2.overall["paper"].isna().all()  # Tables 2 and 3 have 43 classes


def test_what_the_generated_landscape_decides_is_said_of_the_miniature_alone(comparison):
    said = comparison.describe_odd_classes()
    f1 = comparison.class_f1.set_index(["run", "label"])["value"]
    assert f"Burnt areas (all {f1['all', 'Burnt areas']:.2f}, rgb-s1" in said
    assert "in the paper rgb 0.00, multispectral 0.03" in said and "nan" not in said
