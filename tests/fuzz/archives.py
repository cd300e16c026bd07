"""Archives of others: lists, JSON, tables and GeoTIFFs, broken in many ways."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from osgeo import gdal

from bigearth.archive.index import read_index
from bigearth.archive.lists import read_names
from bigearth.archive.pixels import read_patch
from bigearth.patch import BANDS, RESOLUTION
from tests.fuzz import samples
from tests.fuzz.broken import DAMAGES, NO_FILES, damaged, put
from tests.fuzz.outcomes import Kind

gdal.UseExceptions()
WORK = ("work",)


def read_all(archive: Path, folder: Path) -> tuple:
    """Index and pixels of an archive."""
    table = read_index(archive, folder / "work")
    return table, {row.patch: read_patch(archive / row.folder) for row in table.itertuples()}


def same_archive(version: int, result: tuple) -> bool:
    """Whether what was read is what the whole archive holds."""
    table, pixels = result
    truth = samples.index(version)
    columns = ["patch", "tile", "x", "y", "epsg", "date"]
    if not table[columns].equals(truth[columns]) or table.labels.tolist() != truth.labels.tolist():
        return False
    expected = samples.pixels(version)
    return all(np.array_equal(pixels[patch][m], expected[patch][m]) for patch in expected for m in expected[patch])


# ---- lists of patch names ----

FORMS = st.fixed_dictionaries(
    {
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
        "newline": st.sampled_from(["\n", "\r\n", "\r"]),
        "quotes": st.sampled_from(["", '"', "'"]),
        "header": st.sampled_from(["", "patch", "patch_id,country", "name;season", "# list of patches"]),
        "columns": st.sampled_from(["", ",", ";", "\t", " "]),
        "one_line": st.booleans(),
        "blank": st.booleans(),
        "gz": st.booleans(),
        "count": st.integers(1, 5),
        "damage": st.none() | DAMAGES | NO_FILES,
    }
)


def list_text(form: dict) -> tuple[list[str], str]:
    names = samples.index(1).patch.tolist()[: form["count"]]
    quoted = [form["quotes"] + name + form["quotes"] for name in names]
    if form["one_line"]:
        return names, (form["columns"].strip(" ") or ",").join(quoted) + form["newline"]
    rows = [name + (form["columns"] + "Austria" if form["columns"] else "") for name in quoted]
    lines = [form["header"], *rows] if form["header"] else rows
    if form["blank"]:
        lines.insert(1, "   ")
    return names, form["newline"].join(lines) + form["newline"]


def read_list(form: dict, folder: Path) -> list[str]:
    _, text = list_text(form)
    content = text.encode(form["encoding"])
    if form["gz"]:
        content = gzip.compress(content, mtime=0)
    path = folder / ("names.csv.gz" if form["gz"] else "names.csv")
    if isinstance(form["damage"], str):
        put(path, form["damage"])
    else:
        path.write_bytes(damaged(content, form["damage"]) if form["damage"] else content)
    return list(read_names(path))


def right_list(form: dict, result: list[str], folder: Path) -> bool | str:
    names, _ = list_text(form)
    if sorted(result) == sorted(names):
        return True
    # a cut or altered list of plain text carries no checksum; names unknown to the archive are counted later
    return "unknowable" if form["damage"] and not form["gz"] else False


# ---- labels and places of v1.0 ----

VALUES = st.sampled_from(
    [None, True, False, 0, -1, 1.5, "", "x", "12", [], ["x"], {}, {"a": 1}, 1e400, [None], [[]], "2017-13-45", -1e9]
)
KEYS = ["labels", "coordinates", "projection", "tile_source", "acquisition_date", "ulx", "uly", "lrx", "lry"]
CHANGES = st.one_of(
    st.tuples(st.just("value"), st.sampled_from(KEYS), VALUES),
    st.tuples(st.just("gone"), st.sampled_from(KEYS), st.none()),
    st.tuples(st.just("twice"), st.sampled_from(KEYS), st.none()),
    st.tuples(st.just("bytes"), st.just(""), DAMAGES.filter(lambda damage: damage[0] not in ("flip", "zeros"))),
    st.tuples(st.just("file"), st.just(""), NO_FILES),
)


def read_changed_json(change: tuple, folder: Path) -> tuple:
    archive = samples.copy_archive(1, folder / "work")
    patch = samples.index(1).patch.iloc[2]
    path = archive / patch / f"{patch}_labels_metadata.json"
    what, key, value = change
    data = json.loads(path.read_text())
    inside = data["coordinates"] if key in ("ulx", "uly", "lrx", "lry") else data
    if what == "value":
        inside[key] = value
        path.write_text(json.dumps(data))
    elif what == "gone":
        del inside[key]
        path.write_text(json.dumps(data))
    elif what == "twice":
        text = json.dumps(data)
        path.write_text(text[:-1] + f', "{key}": {json.dumps(data.get(key, 0))}' + "}")
        if key == "labels":
            data["labels"] = data["labels"] * 2
            path.write_text(json.dumps(data))
    elif what == "bytes":
        path.write_bytes(damaged(path.read_bytes(), value))
    else:
        put(path, value)
    return read_all(archive, folder / "work")


def right_archive_1(change: tuple, result: tuple, folder: Path) -> bool:
    # lrx and lry follow from ulx and uly: nothing of the study reads them
    return same_archive(1, result)


# ---- the table of v2.0 and the cached index ----


def read_damaged_table(damage: Any, folder: Path) -> tuple:
    archive = samples.copy_archive(2, folder / "work")
    path = archive / "metadata.parquet"
    put(path, damage) if isinstance(damage, str) else path.write_bytes(damaged(path.read_bytes(), damage))
    return read_all(archive, folder / "work")


def right_archive_2(damage: Any, result: tuple, folder: Path) -> bool | str:
    if same_archive(2, result):
        return True
    # parquet's pages carry no checksum as published
    return "unknowable" if damage[0] in ("flip", "zeros", "insert") else False


def read_with_damaged_cache(damage: Any, folder: Path) -> tuple:
    archive = samples.archive(1)
    read_index(archive, folder / "work")
    path = folder / "work" / "patches.parquet"
    put(path, damage) if isinstance(damage, str) else path.write_bytes(damaged(path.read_bytes(), damage))
    return read_all(archive, folder)


# ---- GeoTIFFs ----

PICTURES = st.sampled_from(
    ["size", "type8", "type32", "float", "two bands", "vrt", "other band", "other patch", "sparse", "nodata", "png"]
)
PIXEL_CHANGES = st.tuples(st.sampled_from(BANDS), st.one_of(PICTURES, NO_FILES, DAMAGES))


def read_changed_band(change: tuple, folder: Path) -> dict:
    band, how = change
    patch = samples.index(1).patch.iloc[1]
    place = Path(shutil.copytree(samples.archive(1) / patch, folder / "work" / patch))
    path = place / f"{patch}_{band}.tif"
    if isinstance(how, tuple):
        path.write_bytes(damaged(path.read_bytes(), how))
    elif how in ("missing", "folder", "fifo", "loop", "dangling", "device"):
        put(path, how)
    else:
        _other_picture(path, how, band)
    return read_patch(place)


def _other_picture(path: Path, how: str, band: str) -> None:
    n = 1200 // RESOLUTION[band]
    if how == "other band":
        other = next(b for b in BANDS if b != band and RESOLUTION[b] == RESOLUTION[band])
        shutil.copy(path.with_name(path.name.replace(f"_{band}.", f"_{other}.")), path)
        return
    if how == "other patch":
        other = samples.index(1).patch.iloc[3]
        shutil.copy(samples.archive(1) / other / f"{other}_{band}.tif", path)
        return
    if how == "vrt":
        source = path.with_name("source.tif")
        path.rename(source)
        gdal.Translate(str(path), str(source), format="VRT")
        return
    if how == "png":
        gdal.GetDriverByName("PNG").CreateCopy(str(path), gdal.Open(str(path)))
        return
    types = {"type8": gdal.GDT_Byte, "type32": gdal.GDT_UInt32, "float": gdal.GDT_Float32}
    options = ["SPARSE_OK=TRUE"] if how == "sparse" else []
    size = n + 1 if how == "size" else n
    path.unlink()
    driver = gdal.GetDriverByName("GTiff")
    made = driver.Create(
        str(path), size, size, 2 if how == "two bands" else 1, types.get(how, gdal.GDT_UInt16), options
    )
    if how == "nodata":
        made.GetRasterBand(1).SetNoDataValue(0)
        made.GetRasterBand(1).Fill(0)
    elif how != "sparse":
        made.GetRasterBand(1).Fill(7)
    made = None


def right_band(change: tuple, result: dict, folder: Path) -> bool | str:
    expected = samples.pixels(1)[samples.index(1).patch.iloc[1]]
    if all(np.array_equal(result[m], expected[m]) for m in expected):
        return True
    how = change[1]
    if isinstance(how, tuple) and how[0] in ("flip", "zeros", "insert"):
        return "unknowable"  # an uncompressed GeoTIFF carries no checksum of its pixels
    # pixels of another band of the same size and place cannot be told from the right ones
    return "unknowable" if how == "other band" else False


KINDS = [
    Kind("list of patch names", FORMS, read_list, right_list, may_change=("names.csv", "names.csv.gz")),
    Kind("JSON of a v1.0 patch", CHANGES, read_changed_json, right_archive_1, may_change=WORK),
    Kind("metadata.parquet of v2.0", DAMAGES | NO_FILES, read_damaged_table, right_archive_2, may_change=WORK),
    Kind("cached index", DAMAGES | NO_FILES, read_with_damaged_cache,
         lambda _, result, folder: same_archive(1, result), may_change=WORK),
    Kind("GeoTIFF of a band", PIXEL_CHANGES, read_changed_band, right_band, may_change=WORK),
]  # fmt: skip
