"""The comparison of committed and fresh tables must be able to say no."""

import pytest

from tests.verify_results import compare

HISTORY = "epoch,val_f1,seconds\n1,{f1},{seconds}\n"


@pytest.fixture
def folders(tmp_path):
    for name in ("committed", "fresh"):
        for part in ("01_exploration", "03_training-rgb", "04_classification"):
            (tmp_path / name / part).mkdir(parents=True)
        (tmp_path / name / "01_exploration/label_counts.csv").write_text("label,patches\nx,3\n")
        (tmp_path / name / "03_training-rgb/history.csv").write_text(HISTORY.format(f1=0.5, seconds=3))
        (tmp_path / name / "04_classification/table2_global_scores.csv").write_text("run,value\nrgb,0.700\n")
    return tmp_path / "committed", tmp_path / "fresh"


def test_same_and_near_are_accepted(folders):
    (folders[1] / "03_training-rgb/history.csv").write_text(HISTORY.format(f1=0.55, seconds=99))
    (folders[1] / "04_classification/table2_global_scores.csv").write_text("run,value\nrgb,0.72\n")
    assert compare(*folders) == 0


@pytest.mark.parametrize(
    "name, text",
    [
        ("01_exploration/label_counts.csv", "label,patches\nx,4\n"),
        ("01_exploration/label_counts.csv", "label,patches\ny,3\n"),
        ("01_exploration/label_counts.csv", "label,patches\nx,3\nz,1\n"),
        ("03_training-rgb/history.csv", HISTORY.format(f1=0.7, seconds=3)),
        ("04_classification/table2_global_scores.csv", "run,value\nrgb,0.74\n"),
        ("04_classification/table2_global_scores.csv", "run,value\nrgb,\n"),
    ],
)
def test_other_values_are_not(folders, name, text):
    (folders[1] / name).write_text(text)
    assert compare(*folders) == 1


def test_missing_tables_are_not(folders):
    (folders[1] / "01_exploration/label_counts.csv").unlink()
    assert compare(*folders) == 1
    assert compare(folders[1] / "nothing", folders[1]) == 1
