"""Selection of patches: exclusions, splits, order of rows, and the record of the choices."""

import shutil

import pandas as pd
import pytest

from bigearth import labels
from bigearth.archive.lists import read_names, read_splits
from bigearth.archive.metadata_v2 import read_metadata
from bigearth.cube.preprocessing import write_cube
from bigearth.cube.selection import select
from bigearth.errors import InputError


@pytest.fixture
def index(tmp_path):
    """Fifty patches of a v1.0 archive without lists; the last two have no label among the 19."""
    frame = pd.DataFrame({"patch": [f"patch-{i:02d}" for i in range(50)]})
    frame["labels"] = [["Vineyards", "Pastures"]] * 48 + [["Airports"], ["Burnt areas", "Bare rock"]]
    frame["split"] = None
    frame.attrs = {"version": 1, "tables": str(tmp_path / "archive")}
    return frame


def write(path, names):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(names) + "\n")
    return str(path)


def test_random_split_is_seeded_and_covers_everything(index):
    rows, record = select(index, splits="random", seed=1)
    assert sorted(rows.patch) == index.patch.tolist()
    assert [record[name] for name in ("train", "validation", "test")] == [30, 10, 10]
    assert record["splits"] == "random 60/20/20"
    again, _ = select(index.sample(frac=1, random_state=0), splits="random", seed=1)
    pd.testing.assert_frame_equal(rows, again)  # the order of the index does not matter
    other, _ = select(index, splits="random", seed=2)
    assert set(other.patch[other.split == "test"]) != set(rows.patch[rows.split == "test"])


def test_rows_are_split_major_in_an_order_of_seed_and_name(index):
    own = index.assign(split=["train", "validation", "test", "train", None] * 10)
    rows, record = select(own, seed=3)
    assert rows.split.tolist() == ["train"] * 20 + ["validation"] * 10 + ["test"] * 10
    assert record["splits"] == "the archive's own" and record["without_split"] == 10
    train = rows.patch[rows.split == "train"].tolist()
    assert train != sorted(train)
    fewer, _ = select(own[own.patch != train[3]], seed=3)  # the others keep their order
    assert fewer.patch[fewer.split == "train"].tolist() == train[:3] + train[4:]
    other, _ = select(own, seed=4)
    assert other.patch[other.split == "train"].tolist() != train


def test_the_order_is_the_same_everywhere(index):
    rows, _ = select(index, splits="random", seed=1)
    assert rows.patch[:3].tolist() == ["patch-04", "patch-44", "patch-31"]


def test_folder_of_splits(index, tmp_path):
    lists = {"train": ["patch-00", "patch-01"], "val": ["patch-02"], "test": ["patch-03"]}
    for name, names in lists.items():
        write(tmp_path / f"splits/{name}.csv", names)
    rows, record = select(index, splits=tmp_path / "splits")
    assert sorted(rows.patch) == [f"patch-0{i}" for i in range(4)]
    assert (record["train"], record["validation"], record["test"], record["without_split"]) == (2, 1, 1, 46)


def test_exclusion(index, tmp_path):
    snow = write(tmp_path / "snow.csv", ["patch-00", "patch-01"])
    write(tmp_path / "archive/lists/cloud.csv", ["patch-01", "patch-02"])
    rows, record = select(
        index, exclude=[snow, "cloud.csv"], splits="random"
    )  # the second is found in the archive's lists
    assert not {"patch-00", "patch-01", "patch-02"} & set(rows.patch)
    assert record["exclude"] == {"snow.csv": 2, "cloud.csv": 2} and record["excluded"] == 3
    assert record["rows"] == 47


def test_unknown_names_are_counted(index, tmp_path):
    path = write(tmp_path / "snow.csv", ["patch-00", "other-1", "other-2"])
    with pytest.warns(UserWarning, match="2 of its 3 names are not in the archive"):
        select(index, exclude=[path], splits="random")


@pytest.mark.parametrize("parameter", ["exclude", "splits"])
def test_lists_of_another_archive(index, tmp_path, parameter):
    path = write(tmp_path / "train.csv", ["other-1", "other-2"])
    write(tmp_path / "val.csv", ["other-3"])
    write(tmp_path / "test.csv", ["other-4"])
    value = [path] if parameter == "exclude" else tmp_path
    with pytest.raises(InputError, match="none of this archive"):
        select(index, **{parameter: value})


def test_missing_and_empty_lists(index, tmp_path):
    with pytest.raises(InputError, match="there is no file .*absent.csv"):
        select(index, exclude=[str(tmp_path / "absent.csv")])
    with pytest.raises(InputError, match="train.csv is missing"):
        select(index, splits=tmp_path)
    with pytest.raises(InputError, match="empty.csv names no patch"):
        select(index, exclude=[write(tmp_path / "empty.csv", [])], splits="random")


def test_19_classes_of_v1(index):
    rows, record = select(index, nomenclature=19, splits="random")
    assert record["without_label"] == 2 and len(rows) == 48
    assert rows.labels[0] == ["Pastures", "Permanent crops"]


def test_43_classes_of_v2_and_unknown_numbers(index):
    index.attrs["version"] = 2
    with pytest.raises(InputError, match="43 is not in a v2.0 archive"):
        select(index, nomenclature=43)
    with pytest.raises(InputError, match="nomenclature 20"):
        select(index, nomenclature=20)


def test_nothing_left(index, tmp_path):
    everything = write(tmp_path / "all.csv", index.patch)
    with pytest.raises(InputError, match="no patch is left of 50"):
        select(index, exclude=[everything], splits="random")


@pytest.mark.parametrize("splits", ["", None])
def test_an_archive_without_splits_is_never_split_silently(index, splits):
    with pytest.raises(
        InputError, match="no splits of its own .*: get the official ones .*, or set splits to .* random"
    ):
        select(index, splits=splits)


def test_official_lists(real_data):
    """The counts of the real archive, from its lists: names, after exclusion, after the 19-class rule, splits."""
    lists = real_data.parent / "lists"
    flagged = [str(lists / f"patches_with_{reason}.csv") for reason in ("seasonal_snow", "cloud_and_shadow")]
    unlabelled = set(read_names(lists / "patches_with_no_19_class_targets.csv"))
    names = sorted(set().union(read_splits(lists / "splits"), unlabelled, *map(read_names, flagged)))
    assert len(names) == 590_326
    index = pd.DataFrame({"patch": names, "split": None})
    index["labels"] = [["Airports"] if name in unlabelled else ["Pastures", "Vineyards"] for name in names]
    index.attrs = {"version": 1, "tables": str(real_data)}

    rows, record = select(index, flagged, lists / "splits", 19)
    assert record["excluded"] == 70_987
    assert record["patches"] - record["excluded"] == 519_339
    assert record["rows"] == 519_284 and record["without_label"] == 55 and record["without_split"] == 0
    assert (record["train"], record["validation"], record["test"]) == (269_695, 123_723, 125_866)
    assert labels.binarise(rows.labels.tolist(), labels.LABELS_19).sum() == 2 * len(rows)


def test_real_metadata_of_v2(real_data):
    index = read_metadata(real_data / "BigEarthNet-v2/metadata.parquet")
    index.attrs = {"version": 2, "tables": str(real_data)}
    assert len(index) == 480_038
    rows, record = select(index)
    assert record["rows"] == 480_038 and record["splits"] == "the archive's own"
    assert rows.tile.nunique() <= 125 and index.country.nunique() == 10


def test_a_damaged_patch_can_be_left_out(tiny_archive, tmp_path):
    archive = shutil.copytree(tiny_archive, tmp_path / "archive")
    patch = sorted(archive.glob("S2*"))[3]
    next(patch.glob("*_B11.tif")).unlink()
    chosen = {"cube": tmp_path / "cube.h5", "archive": archive, "workdir": tmp_path, "splits": "random"}
    with pytest.raises(InputError, match="B11.tif is missing: restore it from the archive, or exclude the patch"):
        write_cube(**chosen)
    (tmp_path / "damaged.csv").write_text(patch.name)
    assert write_cube(**chosen, exclude=[str(tmp_path / "damaged.csv")])["rows"] == 59
