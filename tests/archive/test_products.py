"""The products of a folder: which are found, and what their metadata must say."""

import re
import shutil

import pytest

from bigearth.archive.products import find_tiles, list_paper_products
from bigearth.errors import InputError
from bigearth.patch import BANDS
from tests.archive.small_products import pixels, write_product


@pytest.fixture(scope="module")
def bands():
    """One band is enough where only metadata are read."""
    return {"B01": pixels()["B01"]}


@pytest.fixture(scope="module")
def products(tmp_path_factory, bands):
    folder = tmp_path_factory.mktemp("tiles")
    write_product(folder, bands)
    return folder


def refused(folder, match):
    with pytest.raises(InputError, match=match) as error:
        find_tiles(folder)
    assert "\n" not in str(error.value) and "remove" not in str(error.value)


def test_each_band_has_its_own_offset(tmp_path, bands):
    product = write_product(tmp_path, bands, baseline="04.00", offset=-1000)
    path = product / "MTD_MSIL2A.xml"
    path.write_text(path.read_text().replace('band_id="8">-1000', 'band_id="8">-700'))
    (tile,) = find_tiles(tmp_path)
    assert [band for band in BANDS if tile.offset[band] == -700] == ["B8A"]


def test_metadata_must_be_xml_and_complete(tmp_path, bands):
    product = write_product(tmp_path, bands, baseline="04.00", offset=-1000)
    path = product / "MTD_MSIL2A.xml"
    complete = path.read_text()
    for text, match in (
        (complete[:200], "is not XML"),
        (complete.replace('band_id="1"', 'band_id="10"'), "no BOA_ADD_OFFSET of B02"),
        (complete.replace("BOA_ADD_OFFSET ", "NOTHING "), "is not XML"),
        (complete.replace("PROCESSING_BASELINE", "OTHER"), "processing baseline"),
    ):
        path.write_text(text)
        refused(tmp_path, match)
    path.write_text(re.sub("<BOA_ADD_OFFSET_VALUES.*</BOA_ADD_OFFSET_VALUES_LIST>", "", complete, flags=re.S))
    refused(tmp_path, "no BOA_ADD_OFFSET of B01")
    path.write_text(path.read_text().replace("04.00", "99.99"))  # a user's own Sen2Cor
    assert set(find_tiles(tmp_path)[0].offset.values()) == {0}
    path.unlink()
    refused(tmp_path, "no MTD_MSIL2A.xml")


def test_products_in_folders_of_their_own_are_found(products, tmp_path):
    shutil.copytree(products, tmp_path / "downloaded")
    assert [tile.key for tile in find_tiles(tmp_path)] == [tile.key for tile in find_tiles(products)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">-1000<", ">-99999<"),
        (">-1000<", ">5000<"),
        (">-1000<", ">-1000.5<"),
        (">-1000<", ">nan<"),
        (">-1000<", ">none<"),
        (">-1000<", "><"),
        ('band_id="3"', 'band_id="B4"'),
        ('band_id="3"', ""),
    ],
)
def test_impossible_offsets_are_refused(tmp_path, bands, old, new):
    path = write_product(tmp_path, bands, baseline="05.00", offset=-1000) / "MTD_MSIL2A.xml"
    path.write_text(path.read_text().replace(old, new, 1))
    refused(tmp_path, "MTD_MSIL2A.xml: BOA_ADD_OFFSET of band_id .* from -10000 to 0: fetch")


def test_two_offsets_of_one_band_are_refused(tmp_path, bands):
    path = write_product(tmp_path, bands, baseline="05.00", offset=-1000) / "MTD_MSIL2A.xml"
    path.write_text(path.read_text().replace('band_id="3">-1000', 'band_id="2">-700'))
    refused(tmp_path, "two BOA_ADD_OFFSET of B03")


def test_another_quantification_is_refused(tmp_path, bands):
    path = write_product(tmp_path, bands) / "MTD_MSIL2A.xml"
    value = '<BOA_QUANTIFICATION_VALUE unit="none">{}</BOA_QUANTIFICATION_VALUE></n1:General_Info>'
    whole = path.read_text()
    path.write_text(whole.replace("</n1:General_Info>", value.format(1000)))
    refused(tmp_path, "BOA_QUANTIFICATION_VALUE is 1000")
    path.write_text(whole.replace("</n1:General_Info>", value.format(10000)))
    assert len(find_tiles(tmp_path)) == 1


def test_a_product_unpacked_into_a_folder_of_its_own_name(tmp_path, bands):
    product = write_product(tmp_path / "whole", bands)
    shutil.copytree(product, tmp_path / "tiles" / product.name / product.name)
    (tile,) = find_tiles(tmp_path / "tiles")
    assert tile.granule.parent.parent.parent.name == product.name


def test_a_product_unpacked_into_itself_counts_once(tmp_path, bands):
    product = write_product(tmp_path, bands)
    shutil.copytree(product, tmp_path / "copy")
    (tmp_path / "copy").rename(product / product.name)
    (tile,) = find_tiles(tmp_path)
    assert tile.granule.is_relative_to(product / "GRANULE")


@pytest.mark.parametrize("older", [False, True])
def test_what_macos_leaves_beside_a_product_is_not_read(tmp_path, bands, older):
    product = write_product(tmp_path, bands, older=older)
    (metadata,) = product.glob("*.xml")
    (tmp_path / f"._{product.name}").write_bytes(b"Mac OS X")
    metadata.with_name(f"._{metadata.name}").write_bytes(b"Mac OS X")
    (tmp_path / "__MACOSX" / product.name).mkdir(parents=True)
    (product / "GRANULE" / ".DS_Store").write_bytes(b"")
    assert len(find_tiles(tmp_path)) == 1


def test_two_granules_of_one_tile_are_both_found(tmp_path, bands):
    product = write_product(tmp_path, bands)
    (granule,) = (product / "GRANULE").iterdir()
    shutil.copytree(granule, granule.with_name(f"{granule.name}_2"))
    first, second = find_tiles(tmp_path)
    assert first.key == second.key and first.name != second.name


def test_no_product_and_an_empty_one(tmp_path):
    refused(tmp_path, "no \\*.SAFE")
    (tmp_path / "S2A_MSIL2A_20170613T101031_N0205_R022_T33UUP_20170613T101608.SAFE").mkdir()
    refused(tmp_path, "no MTD_MSIL2A.xml: fetch the L2A product again")


def test_the_papers_products():
    table = list_paper_products()
    assert len(table) == 125 and table.patches.sum() == 590_326
