"""The search for L2A products, against a server on the loopback that answers as the catalogue does."""

import sys

import pytest

from bigearth.archive.tile_search import Catalogue, Scene, read_scene
from bigearth.errors import InputError
from tests.archive.data_space import data_space  # noqa: F401

L1C = "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608.SAFE"
L2A = "S2A_MSIL2A_20170613T101031_N{}_R022_T33UUP_{}.SAFE"


def test_the_scene_of_a_product():
    assert read_scene(L1C) == Scene("S2A", "20170613T101031", "R022", "T33UUP")
    assert read_scene(L1C) == read_scene(L2A.format("0500", "20231003T101031"))
    with pytest.raises(InputError, match="'tile.zip' is not the name of a Sentinel-2 product"):
        read_scene("tile.zip")


def test_products_of_the_newest_baseline_of_the_same_scene(data_space):  # noqa: F811
    newest = [L2A.format("0500", "20231003T101031"), L2A.format("0500", "20231003T104517")]
    others = [
        L2A.format("0205", "20170613T101608"),  # an older baseline
        newest[0].replace("R022", "R065"),  # another orbit
        newest[0].replace("T101031_N", "T101033_N"),  # another start
        newest[0].replace("S2A", "S2B"),
        newest[0].replace("UUP", "UVP"),
    ]
    data_space.products = {name: b"content" for name in [*others, *newest]}
    offers = Catalogue().find(read_scene(L1C))
    assert [offer.name for offer in offers] == newest
    assert {offer.baseline for offer in offers} == {"05.00"} and {offer.size for offer in offers} == {7}
    assert offers[0].checksum == "md5:9a0364b9e99bb480dd25e1f0284c8555"


def test_no_product_and_no_checksum(data_space):  # noqa: F811
    assert Catalogue().find(read_scene(L1C)) == []
    data_space.checksums, data_space.products = False, {L2A.format("0500", "20231003T101031"): b"content"}
    offer = Catalogue().find(read_scene(L1C))[0]
    assert offer.checksum is None and offer.size == 0


def test_a_silent_catalogue_and_a_missing_library(data_space, monkeypatch):  # noqa: F811
    monkeypatch.setenv("EODAG__COP_DATASPACE__SEARCH__API_ENDPOINT", f"{data_space.url}/nowhere")
    with pytest.raises(InputError, match="the catalogue of the Data Space does not answer .*: call again later"):
        Catalogue().find(read_scene(L1C))
    monkeypatch.setitem(sys.modules, "eodag", None)
    with pytest.raises(InputError, match="eodag, which is not installed: python -m pip install"):
        Catalogue()


@pytest.mark.parametrize("password", ["", "wrong"])
def test_credentials(data_space, monkeypatch, password):  # noqa: F811
    data_space.products = {L2A.format("0500", "20231003T101031"): b"content"}
    monkeypatch.setenv("EODAG__COP_DATASPACE__AUTH__CREDENTIALS__PASSWORD", password)
    catalogue = Catalogue()
    if not password:
        with pytest.raises(InputError, match="password of the Copernicus Data Space are missing: get a free account"):
            catalogue.check_credentials()
    offer = catalogue.find(read_scene(L1C))[0]  # the search needs none
    with pytest.raises(InputError, match="USERNAME and EODAG.*PASSWORD"):
        offer.authenticate()
