"""What notebook 02 shows."""

import pytest

from bigearth.cube.preprocessing import write_cube
from bigearth.cube.survey import CubeSurvey


@pytest.fixture(scope="module")
def survey(tiny_archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    parameters = {"cube": str(folder / "cube.h5"), "workdir": str(folder), "tiles": "", "exclude": [], "splits": ""}
    parameters |= {
        "nomenclature": None,
        "upsampling": "none",
        "seed": 1,
        "weights": "",
        "distribution": "paper",
        "whole_tiles": False,
    }
    return CubeSurvey(parameters, tiny_archive)


@pytest.fixture(scope="module")
def ranks(survey):
    return [write_cube(**survey.request)]


def test_the_selection_adds_up(survey):
    table = survey.tabulate_selection().set_index("patches").number
    left = table["in the archive"] + table[[name for name in table.index if name.startswith("left out")]].sum()
    assert left == table["in the cube"] == len(survey.rows)
    assert survey.is_miniature and not survey.split_is_random


def test_what_the_ranks_did(survey, ranks):
    table = survey.tabulate_ranks(ranks)
    assert table.patches.sum() == len(survey.rows) and (table["patches/s"] > 0).all() and not table.kept.any()


def test_what_the_cube_holds(survey, ranks):
    table = survey.tabulate_datasets().set_index("dataset")
    assert {"data_10m", "classes", "patch", "x", "date"} <= set(table.index) and "x_10m" not in table.index
    assert table.checksum.str.len().eq(8).all()
    assert any("random rows have the pixels" in line for line in survey.verify())
    assert survey.records_selection()
    assert survey.tabulate_bands().notna().all(axis=None)
    assert [image.shape for _, _, image in survey.show_bands(0)] == [(120, 120)] * 4


def test_the_whole_archive_takes_its_slowest_part(survey, ranks):
    table = survey.estimate_time(500.0)
    assert table["processors (s)"].iloc[0] == pytest.approx(590_326 / 500 / 72)
    parts = table[["processors (s)", "bandwidth (s)", "opening files (s)"]]
    assert (table["expected (min)"] * 60).tolist() == pytest.approx(parts.max(axis=1).tolist())


def test_loads_of_both_algorithms(survey):
    table = survey.compare_shares()
    assert len(table) == 2 * 125 and (table["times ideal"] >= 1).all()
