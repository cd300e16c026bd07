"""What a map needs of a zipped product is unpacked, once; damaged zips are refused in one line."""

import zipfile
from pathlib import Path

import pytest

from bigearth.errors import InputError
from bigearth.mapping.scene import open_scene


def test_a_zipped_product_is_unpacked_once(product, tmp_path):
    path = tmp_path / f"{product.name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in product.rglob("*"):
            if file.is_file():
                archive.write(file, Path(product.name) / file.relative_to(product))
        archive.writestr(f"{product.name}/GRANULE/x/QI_DATA/report.xml", "left in the zip")
    scene = open_scene(path, tmp_path / "work")
    assert scene.name == product.name.removesuffix(".SAFE") and scene.width == 4800
    assert not list((tmp_path / "work").rglob("QI_DATA"))
    assert open_scene(path, tmp_path / "work") == scene  # what was unpacked is used
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{product.name}/GRANULE/x/IMG_DATA/other.jp2", "another product")
    with pytest.raises(InputError, match="not the one with which this map was begun"):
        open_scene(path, tmp_path / "work")


def test_a_damaged_zip(tmp_path):
    (tmp_path / "S2A_MSIL2A_X.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match="is damaged or no zip"):
        open_scene(tmp_path / "S2A_MSIL2A_X.zip", tmp_path / "work")
