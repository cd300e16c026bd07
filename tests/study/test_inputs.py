"""What a run reads: its content counts, whatever path names it."""

import os

from bigearth.study.inputs import read_inputs


def test_a_list_counts_by_its_content(tmp_path):
    archive = tmp_path / "archive"
    (archive / "lists").mkdir(parents=True)
    snow = archive / "lists" / "snow.csv"
    snow.write_text("a\n")
    values = {"archive": str(archive), "exclude": ["snow.csv"]}
    before = read_inputs(values, tmp_path)
    os.utime(snow, ns=(1, 1))
    assert read_inputs(values, tmp_path) == before  # the same content
    snow.write_text("a\nb\n")
    assert read_inputs(values, tmp_path) != before


def test_a_link_counts_by_what_it_leads_to(tmp_path):
    (tmp_path / "list.csv").write_text("a\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "list.csv")
    values = {"exclude": [str(tmp_path / "link.csv")]}
    before = read_inputs(values, tmp_path)
    (tmp_path / "list.csv").write_text("b\n")
    assert read_inputs(values, tmp_path) != before


def test_lists_and_metadata_of_the_archive_count(tmp_path):
    (tmp_path / "archive/lists/splits").mkdir(parents=True)
    values = {"archive": str(tmp_path / "archive")}
    known = [read_inputs(values, tmp_path)]
    for name in ("metadata.parquet", "lists/cloud.csv", "lists/splits/train.csv"):
        (tmp_path / "archive" / name).write_text("1")
        known.append(read_inputs(values, tmp_path))
        (tmp_path / "archive" / name).write_text("2")
        known.append(read_inputs(values, tmp_path))
    assert all(known.count(found) == 1 for found in known)


def test_lists_beside_a_packed_archive_count(tmp_path):
    (tmp_path / "data/lists").mkdir(parents=True)
    (tmp_path / "data/a.tar").write_text("packed")
    values = {"archive": str(tmp_path / "data/a.tar"), "exclude": ["snow.csv"]}
    known = [read_inputs(values, tmp_path)]
    for text in ("1", "2"):
        (tmp_path / "data/lists/snow.csv").write_text(text)
        known.append(read_inputs(values, tmp_path))
    assert all(known.count(found) == 1 for found in known)
    (tmp_path / "data/other").write_text("of no concern")
    assert read_inputs(values, tmp_path) == known[-1]


def test_splits_edited_in_place_count(tmp_path):
    (tmp_path / "splits").mkdir()
    train = tmp_path / "splits" / "train.csv"
    train.write_text("a\n")
    values = {"splits": str(tmp_path / "splits")}
    before = read_inputs(values, tmp_path)
    time = (tmp_path / "splits").stat()
    train.write_text("b\n")
    os.utime(tmp_path / "splits", ns=(time.st_atime_ns, time.st_mtime_ns))
    assert read_inputs(values, tmp_path) != before


def test_the_generated_archive_is_in_the_scratch_folder(tmp_path):
    values = {"archive": "miniature"}
    assert read_inputs(values, tmp_path) == {"archive": None}
    (tmp_path / "archive").mkdir()
    assert read_inputs(values, tmp_path)["archive"]


def test_words_that_are_no_path_are_no_input(tmp_path):
    assert read_inputs({"splits": "random", "weights": "imagenet"}, tmp_path) == {"splits": None, "weights": None}
    assert read_inputs({"splits": "", "exclude": [], "cube": ""}, tmp_path) == {}


def test_metadata_of_products_counts(tmp_path):
    product = tmp_path / "tiles" / "S2A.SAFE"
    product.mkdir(parents=True)
    (product / "MTD_MSIL2A.xml").write_text("1")
    values = {"tiles": str(tmp_path / "tiles")}
    before = read_inputs(values, tmp_path)
    (product / "MTD_MSIL2A.xml").write_text("2")
    assert read_inputs(values, tmp_path) != before


def test_a_cube_is_an_input_of_those_that_read_it(tmp_path):
    (tmp_path / "cube.h5").write_text("1")
    cube = str(tmp_path / "cube.h5")
    assert "cube" not in read_inputs({"archive": "", "splits": "", "cube": cube}, tmp_path)  # notebook 02 writes it
    assert read_inputs({"cube": cube}, tmp_path)["cube"]
    assert read_inputs({"archive": "", "cube": cube}, tmp_path)["cube"]  # notebook 07 reads both


def test_a_list_of_an_archive_that_is_not_there_yet(tmp_path):
    """The first run of a fresh checkout generates the archive, with its lists."""
    values = {"archive": "miniature", "exclude": ["snow.csv"]}
    assert read_inputs(values, tmp_path) == {"archive": None, "exclude snow.csv": None}
    (tmp_path / "archive/lists").mkdir(parents=True)
    (tmp_path / "archive/lists/snow.csv.gz").write_bytes(b"packed")
    assert read_inputs(values, tmp_path)["exclude snow.csv"]
