"""The table of v2.0: places from names, and what is refused."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bigearth.archive.metadata_v2 import read_metadata, tile_corner
from bigearth.errors import InputError
from bigearth.miniature.layouts import V2_COLUMNS

PATCH = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57"
ROW = {
    "patch_id": PATCH,
    "labels": ["Arable land"],
    "split": "train",
    "country": "Austria",
    "s1_name": "",
    "s2v1_name": "",
    "contains_seasonal_snow": False,
    "contains_cloud_or_shadow": False,
}


def write(path, **changes):
    pd.DataFrame([ROW, ROW | {"patch_id": PATCH.replace("57", "58")} | changes]).to_parquet(path)
    return path


@pytest.mark.parametrize(
    "tile, corner",
    [
        ("T33UUP", (32633, 300_000, 5_400_000)),  # these four as in the real patches' files
        ("T29UPU", (32629, 600_000, 5_900_040)),
        ("T35VPK", (32635, 600_000, 7_000_020)),
        ("T32TMT", (32632, 399_960, 5_300_040)),
    ],
)
def test_corner_of_a_tile(tile, corner):
    assert tile_corner(tile) == corner


def test_tiles_of_the_south_are_refused():
    with pytest.raises(InputError, match="T22KGV.*south"):
        tile_corner("T22KGV")


def test_a_row_says_where_the_patch_lies(tmp_path):
    row = read_metadata(write(tmp_path / "m")).iloc[0]
    assert (row.x, row.y, row.epsg) == (300_000 + 26 * 1200, 5_400_000 - 57 * 1200, 32633)
    assert (row.tile, row.split, list(row.labels), str(row.date.date())) == (
        "T33UUP",
        "train",
        ["Arable land"],
        "2017-06-13",
    )
    assert row.folder == f"BigEarthNet-S2/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP/{PATCH}"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"patch_id": "other"}, "'other' is not a v2.0 patch name"),
        ({"patch_id": None}, "(None|nan) is not a v2.0 patch name"),
        ({"patch_id": PATCH.replace("20170613", "20171345")}, "a patch name has no date"),
        ({"patch_id": PATCH.replace("T33UUP", "T99UUP")}, "tile T99UUP is not a name of the MGRS"),
        ({"patch_id": PATCH.replace("T33UUP", "T33UIO")}, "tile T33UIO is not a name of the MGRS"),
        ({"labels": None}, "labels of .* are (None|nan), not a list"),
        ({"split": "valid"}, "split of .* is 'valid'"),
        ({"contains_seasonal_snow": None}, None),
    ],
)
def test_values_of_another_kind(changes, match, tmp_path):
    path = write(tmp_path / "m", **changes)
    if match is None:
        assert read_metadata(path).snow.isna().tolist() == [False, True]
        return
    with pytest.raises(InputError, match=match) as error:
        read_metadata(path)
    assert "restore" in str(error.value)


def test_flags_that_are_no_flags(tmp_path):
    pd.DataFrame([ROW | {"contains_seasonal_snow": "maybe"}]).to_parquet(tmp_path / "m")
    with pytest.raises(InputError, match="contains_seasonal_snow is not true or false"):
        read_metadata(tmp_path / "m")


def test_a_table_of_something_else(tmp_path):
    pd.DataFrame({"patch_id": [PATCH]}).to_parquet(tmp_path / "m")
    with pytest.raises(InputError, match="has no column 'labels'"):
        read_metadata(tmp_path / "m")
    pq.write_table(V2_COLUMNS.empty_table(), tmp_path / "m")
    with pytest.raises(InputError, match="has no row"):
        read_metadata(tmp_path / "m")


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda whole: whole[: len(whole) // 2], "damaged or no Parquet file"),
        (lambda whole: whole[len(whole) // 2 :], "damaged or no Parquet file"),
        (lambda whole: b"", "damaged or no Parquet file"),
        (lambda whole: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n", "is a Git LFS pointer"),
    ],
)
def test_a_damaged_table(damage, match, tmp_path):
    path = write(tmp_path / "metadata.parquet")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=match):
        read_metadata(path)


def test_a_position_of_many_digits(tmp_path):
    path = write(tmp_path / "m.parquet", patch_id=PATCH.replace("26_57", "1_" + "9" * 5000))
    with pytest.raises(InputError, match="is not a v2.0 patch name") as error:
        read_metadata(path)
    assert len(str(error.value)) < 600
