"""Tiles downloaded from a server on the loopback that answers as the Copernicus Data Space does."""

import io
import re
import zipfile

import pandas as pd
import pytest

from bigearth.__main__ import main
from bigearth.archive import tile_download
from bigearth.archive.products import find_tiles, list_paper_products
from bigearth.errors import InputError
from tests.archive.data_space import data_space  # noqa: F401
from tests.archive.small_products import pixels, write_product

TILE, OTHER = "T33UUP", "T34VER"


def zip_product(folder, **kind):
    """A small product as the service sends it: its name, and its zip."""
    write_product(folder, pixels(), suffix="tif", **kind)
    product = next(folder.glob("*.SAFE"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(product.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return product.name, buffer.getvalue()


@pytest.fixture
def offered(data_space, tmp_path):  # noqa: F811
    """The newest product of the tile, its zip, and the server that has it."""
    older = zip_product(tmp_path / "older")
    newest = zip_product(tmp_path / "newest", baseline="05.00", offset=-1000)
    data_space.products = dict([older, newest])
    return *newest, data_space


def test_a_tile_is_fetched_once_and_listed(offered, tmp_path):
    name, content, server = offered
    folder = tmp_path / "tiles"
    table = tile_download.fetch_tiles(folder, [TILE])
    scene = table[table.l2a == name].iloc[0]
    assert scene.l1c == "S2A_MSIL1C_20170613T101031_N0205_R022_T33UUP_20170613T101608.SAFE" and scene.patches == 3332
    assert (scene.baseline, scene.offset, scene.files) == ("05.00", "-1000", 13)
    assert [tile.product for tile in find_tiles(folder)] == [name]
    assert sorted(path.name for path in folder.iterdir()) == [".fetching", name, "tiles.csv"]
    assert [path.name for path in (folder / ".fetching").rglob("*")] == ["lock", "unpacked"]

    server.requests.clear()
    pd.testing.assert_frame_equal(tile_download.fetch_tiles(folder, ["33uup"]), table)
    assert not any("$value" in request for request in server.requests)


def test_a_broken_download_goes_on(offered, tmp_path):
    name, content, server = offered
    server.cut = 1_300_000
    with pytest.raises(InputError, match="goes on where it stopped") as error:
        tile_download.fetch_tiles(tmp_path / "tiles", [TILE])
    assert "token" not in str(error.value)
    part = tmp_path / f"tiles/.fetching/{name}.zip.part"
    assert part.read_bytes() == content[: 1 << 20] and not (tmp_path / "tiles" / name).exists()
    server.cut = None
    table = tile_download.fetch_tiles(tmp_path / "tiles", [TILE])
    assert server.asked[-1] == f"bytes={1 << 20}-" and (tmp_path / "tiles" / name).is_dir() and name in set(table.l2a)


def test_damage_is_found_with_and_without_a_published_checksum(offered, tmp_path, monkeypatch):
    name, content, server = offered
    place = len(content) // 2
    damaged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    send_zip = server._send_zip
    monkeypatch.setattr(server, "_send_zip", lambda self, _: send_zip(self, damaged))
    with pytest.raises(InputError, match="has not the md5"):
        tile_download.fetch_tiles(tmp_path / "tiles", [TILE])
    server.checksums = False
    with pytest.raises(InputError, match="what was downloaded is damaged .*: call again"):
        tile_download.fetch_tiles(tmp_path / "tiles", [TILE])
    assert not list((tmp_path / "tiles").glob("*.SAFE")) and not list((tmp_path / "tiles/.fetching").glob("*.zip*"))


def test_only_a_list(offered, tmp_path, capsys, monkeypatch):
    name, _, server = offered
    monkeypatch.delenv("EODAG__COP_DATASPACE__AUTH__CREDENTIALS__USERNAME")
    monkeypatch.delenv("EODAG__COP_DATASPACE__AUTH__CREDENTIALS__PASSWORD")
    assert main(["download", "tiles", str(tmp_path), "--tile", TILE, "--tile", OTHER, "--list"]) == 0
    said = capsys.readouterr().out
    assert name in said and re.search(
        "1 of the archive's products have no L2A product there: S2A_MSIL1C_.*_T34VER_", said
    )
    assert not any("$value" in request for request in server.requests) and not list(tmp_path.glob("*.SAFE"))
    assert main(["download", "tiles", str(tmp_path), "--tile", TILE]) == 2
    said = capsys.readouterr().err
    assert "are missing: get a free account" in said.splitlines()[-1]


def test_what_is_there_is_never_replaced(offered, tmp_path):
    name, _, _ = offered
    folder = tmp_path / "tiles"
    tile_download.fetch_tiles(folder, [TILE])
    next((folder / name).rglob("*B02*")).unlink()
    with pytest.raises(InputError, match="is not as it was unpacked: move it elsewhere"):
        tile_download.fetch_tiles(folder, [TILE])


def test_too_little_room(offered, tmp_path, monkeypatch):
    monkeypatch.setattr(tile_download, "_TYPICAL_BYTES", 10**18)
    offered[2].checksums = False
    with pytest.raises(InputError, match="needs 2000000000 GB, .*: choose another folder, or fewer tiles"):
        tile_download.fetch_tiles(tmp_path / "tiles", [TILE])


def test_tiles_are_chosen_by_name():
    assert len(tile_download.choose_products([])) == len(list_paper_products()) == 125
    with pytest.raises(InputError, match="tile T00XXX is not one of the archive's: give some of T29"):
        tile_download.choose_products(["00xxx"])
