"""The survey of an archive: places, counts, the paper's figures, distances between splits."""

from collections import Counter

import numpy as np
import pytest

from bigearth.archive.survey import Survey
from bigearth.errors import InputError
from bigearth.miniature.archive import write_archive

LISTS = ["patches_with_seasonal_snow.csv", "patches_with_cloud_and_shadow.csv"]


@pytest.fixture(scope="module")
def survey(tiny_archive, tmp_path_factory):
    return Survey(tiny_archive, tmp_path_factory.mktemp("work"), LISTS, seed=1)


def test_excluded_patches_are_left_out(survey):
    flagged = survey.index.snow | survey.index.cloud
    assert flagged.any()
    assert set(survey.rows.patch) == set(survey.index.patch[~flagged])
    described = survey.describe().set_index("what").value
    assert described["patches"] == "60" and described["remaining"] == str(60 - flagged.sum())


def test_nothing_is_left(tiny_archive, tmp_path, survey):
    everything = tmp_path / "all.csv"
    everything.write_text("\n".join(survey.index.patch))
    with pytest.raises(InputError, match="the lists name all 60 patches"):
        Survey(tiny_archive, tmp_path, [str(everything)], seed=1)


def test_lists_must_belong_to_the_archive(tiny_archive, tmp_path):
    (tmp_path / "other.csv").write_text("S2A_MSIL2A_20170613T101031_99_99\n")
    with pytest.raises(InputError, match="other.csv names 1 patches, none of them in"):
        Survey(tiny_archive, tmp_path, [str(tmp_path / "other.csv")], seed=1)
    with pytest.raises(InputError, match=r"there is no file .*/lists/missing.csv; give a list's path, or \[\]"):
        Survey(tiny_archive, tmp_path, ["missing.csv"], seed=1)


def test_names_that_are_not_in_the_archive_are_counted(tiny_archive, tmp_path, survey):
    some = tmp_path / "some.csv"
    some.write_text(f"{survey.rows.patch[0]}\nS2A_MSIL2A_20170613T101031_99_99\n")
    with pytest.warns(UserWarning, match="some.csv: 1 of its 2 names are not in the archive"):
        assert len(Survey(tiny_archive, tmp_path, [str(some)], seed=1).rows) == 59


def test_patches_lie_in_their_tile(survey):
    places = survey.locate_patches().merge(survey.index[["patch", "epsg"]])
    zone = places.epsg % 100  # the middle of UTM zone n lies at 6 n - 183 degrees
    assert (places.longitude - (6 * zone - 183)).abs().max() < 4
    band = {"S": (32, 40), "T": (40, 48), "U": (48, 56), "V": (56, 64), "W": (64, 72)}  # of latitude: T29SNC lies in S
    for place in places.itertuples():
        low, high = band[place.tile[3]]
        assert low - 1 < place.latitude < high + 1
    assert set(places.split) <= {"train", "validation", "test", "none"}


def test_labels_are_counted(survey):
    counted = Counter(label for labels in survey.rows.labels for label in labels)
    counts = survey.count_labels().set_index("label")
    assert len(counts) == 43 and counts.patches.is_monotonic_increasing
    assert {label: count for label, count in counts.patches.items() if count} == counted
    assert counts["paper's test patches"]["Airports"] == 157  # Table 3
    per_patch = survey.count_labels_per_patch()
    assert (per_patch.labels * per_patch.patches).sum() == survey.index.labels.map(len).sum()


def test_shares_of_labels_that_go_together(survey):
    shares = survey.share_labels(5)
    assert shares.shape == (5, 5) and np.allclose(np.diag(shares), 1)
    first, second = shares.index[:2]
    with_first = survey.rows.labels[survey.rows.labels.map(lambda labels: first in labels)]
    assert shares.loc[first, second] == pytest.approx(with_first.map(lambda labels: second in labels).mean())


def test_paper_beside_this_archive(survey):
    table = survey.compare_with_paper().set_index("what")
    assert table.here["patches"] == 60 and table.difference["patches"] == 60 - 590_326
    assert table.here["patches with snow or cloud"] == len(survey.index) - len(survey.rows)


def test_flagged_patches_are_listed(survey):
    flagged = survey.list_flagged(1)
    assert flagged.flag.is_unique and len(flagged)
    for row in flagged.itertuples():
        assert survey.index.set_index("patch").loc[row.patch, row.flag]


def test_distances_of_splits(survey):
    shares = survey.measure_split_distances()
    assert list(shares.columns) == ["random 60/20/20", "the archive's own"]
    assert np.allclose(shares.sum(), 1)
    apart = survey.rows.iloc[:2].assign(split=["train", "test"], x=[500_000, 500_000], y=[5_000_000, 5_012_000])
    spread = Survey.__new__(Survey)
    spread.rows, spread.index, spread.seed = apart, apart, 1
    shares = spread.measure_split_distances()
    assert shares["the archive's own"]["up to 20 km"] == 1  # 12 km
    assert "random 60/20/20" not in shares  # two patches: no test split


def test_a_v2_archive_without_lists(tmp_path):
    archive = write_archive(tmp_path / "v2", patches=60, seed=7, version=2)
    survey = Survey(archive, tmp_path, [], seed=1)
    assert len(survey.count_labels()) == 19 and survey.title == "miniature"
    assert survey.list_flagged(3).empty
    assert survey.compare_with_paper().here.iloc[-1] == 0  # patches under snow or clouds are not in its metadata
    assert survey.describe().set_index("what").value["countries"] >= 1
    assert survey.sample(1).measure_spectra().label.nunique() == (survey.truth.sum(axis=0) > 0).sum()
