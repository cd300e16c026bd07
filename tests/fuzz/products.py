"""Sentinel-2 products, broken or as other programs leave them."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from osgeo import gdal

from bigearth.archive.windows import find_windows, read_windows
from bigearth.patch import BANDS, BANDS_AT, RESOLUTION
from tests.archive import small_products
from tests.fuzz import samples
from tests.fuzz.broken import DAMAGES, NO_FILES, damaged, put
from tests.fuzz.outcomes import Kind

POSITIONS = [(0, 0), (1, 2), (2, 1)]
OFFSETS = ["0", "-1000", "-99999", "x", "", "1.5", "1e3", "99999", "-1000.0", "nan"]
CHANGES = st.one_of(
    st.tuples(st.just("offset"), st.sampled_from(OFFSETS)),
    st.tuples(st.just("xml"), DAMAGES | NO_FILES),
    st.tuples(st.just("band"), st.tuples(st.sampled_from(BANDS), DAMAGES.filter(lambda d: d[0] != "flip") | NO_FILES)),
    st.tuples(st.just("type"), st.tuples(st.sampled_from(BANDS), st.sampled_from(["Byte", "UInt32", "Float32"]))),
    st.tuples(st.just("size"), st.sampled_from(BANDS)),
    st.tuples(st.just("mac"), st.sampled_from(BANDS)),
    st.tuples(st.just("nested"), st.integers(1, 2)),
    st.tuples(st.just("twice"), st.sampled_from(["granule", "product", "band"])),
    st.tuples(st.just("name"), st.sampled_from(["x.SAFE", "S2A.SAFE", "product", "S2A_MSIL1C_{rest}"])),
)  # fmt: skip


def read_changed(change: tuple, folder: Path) -> dict[int, dict]:
    what, how = change
    tiles = folder / "tiles"
    product = Path(shutil.copytree(samples.product(), tiles / samples.product().name))
    if what == "offset":
        _set_offset(product / "MTD_MSIL2A.xml", how)
    elif what == "xml":
        path = product / "MTD_MSIL2A.xml"
        put(path, how) if isinstance(how, str) else path.write_bytes(damaged(path.read_bytes(), how))
    elif what == "band":
        path = _band(product, how[0])
        put(path, how[1]) if isinstance(how[1], str) else path.write_bytes(damaged(path.read_bytes(), how[1]))
    elif what in ("type", "size"):
        _write_other(_band(product, how if what == "size" else how[0]), what, how)
    elif what == "mac":
        path = _band(product, how)
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7" + bytes(60))
    elif what == "nested":
        product.rename(tiles / "outer")
        inner = tiles.joinpath(*[product.name] * how)
        inner.mkdir(parents=True)
        (tiles / "outer").rename(inner / product.name)
    elif what == "twice":
        _double(product, how)
    else:
        product.rename(tiles / how.format(rest=product.name.partition("_MSIL2A_")[2]))
    table = small_products.table(POSITIONS)
    return {row: patch for found in find_windows(tiles, table) for row, patch in read_windows(found)}


def _band(product: Path, band: str) -> Path:
    return next(product.rglob(f"*_{band}_{RESOLUTION[band]}m.tif"))


def _set_offset(path: Path, value: str) -> None:
    items = "".join(f'<BOA_ADD_OFFSET band_id="{i}">{value}</BOA_ADD_OFFSET>' for i in range(13))
    text = path.read_text().replace("_Characteristics></", "_Characteristics>@</", 1)
    path.write_text(text.replace("@", f"<BOA_ADD_OFFSET_VALUES_LIST>{items}</BOA_ADD_OFFSET_VALUES_LIST>"))


def _write_other(path: Path, what: str, how: Any) -> None:
    source = gdal.Open(str(path))
    other = path.with_name("other.tif")
    if what == "type":
        gdal.Translate(str(other), source, outputType=gdal.GetDataTypeByName(how[1]))
    else:
        gdal.Translate(str(other), source, srcWin=[0, 0, source.RasterXSize // 2, source.RasterYSize // 2])
    source = None
    other.replace(path)


def _double(product: Path, what: str) -> None:
    if what == "product":
        shutil.copytree(product, product.with_name(product.name.replace("101608", "111111")))
    elif what == "granule":
        granule = next((product / "GRANULE").iterdir())
        shutil.copytree(granule, granule.with_name(granule.name + "_2"))
    else:
        path = _band(product, "B02")
        shutil.copy(path, path.with_name("copy_" + path.name))


def right_windows(change: tuple, patches: dict[int, dict], folder: Path) -> bool:
    offset = int(change[1]) if change[0] == "offset" and change[1] in ("0", "-1000") else 0
    if set(patches) != set(range(len(POSITIONS))) or (
        change[0] == "offset" and change[1] not in ("0", "-1000", "-1000.0")
    ):
        return False
    offset = -1000 if change == ("offset", "-1000.0") else offset
    for row, position in enumerate(POSITIONS):
        for metres in BANDS_AT:
            raw = small_products.window(samples.product_pixels(), metres, *position).astype(int)
            if not np.array_equal(patches[row][metres], np.maximum(raw + offset, 0)):
                return False
    return True


def right_or_unknowable(change: tuple, patches: dict[int, dict], folder: Path) -> bool | str:
    if right_windows(change, patches, folder):
        return True
    # zeros and bytes among a GeoTIFF's pixels; a JPEG 2000 file would be as good
    return "unknowable" if change[0] == "band" and change[1][1][0] in ("zeros", "insert") else False


KINDS = [Kind("product", CHANGES, read_changed, right_or_unknowable, may_change=("tiles",))]
