"""Download the Sentinel-2 L2A products behind BigEarthNet, verify and unpack them, and keep a list of them.

Called again, it goes on where it stopped. ``tiles.csv`` in the folder says which L2A product stands for which L1C
product of the archive, in which processing baseline and with which radiometric offset, and for which none exists.
"""

import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from bigearth.archive.download import fetch_file
from bigearth.archive.products import list_paper_products, read_product
from bigearth.archive.room import check_room
from bigearth.archive.tile_search import Catalogue, Offer, read_scene
from bigearth.errors import InputError
from bigearth.files import locked, write_whole
from bigearth.progress import track
from bigearth.tables import read_csv

LIST = "tiles.csv"
_WORK = ".fetching"  # in the folder: what is not whole yet
NONE = "none"  # in the list, where no L2A product exists
_COLUMNS = {"l1c": str, "patches": int, "l2a": str, "baseline": str, "offset": str, "files": int, "bytes": int}
_TYPICAL_BYTES = 1_200_000_000  # of a product whose size the catalogue does not say
_FILES = 130  # and folders of an unpacked product


@dataclass(frozen=True)
class Entry:
    """A line of the list.

    Attributes
    ----------
    l1c, patches
        Product that the archive names, and how many patches were cut from it.
    l2a : str
        Product of level 2A of the same scene, or "none".
    baseline, offset : str
        Of the L2A product; the offset in digital numbers, from its metadata: empty until it is here.
    files, bytes : int
        Of the unpacked product; 0 until it is here.
    """

    l1c: str
    patches: int
    l2a: str
    baseline: str
    offset: str = ""
    files: int = 0
    bytes: int = 0


def choose_products(tiles: Collection[str]) -> pd.DataFrame:
    """Choose from the 125 products of the archive: those of some tiles, or all.

    Parameters
    ----------
    tiles : collection of str
        Such as "T33UUP" or "33UUP"; empty: all.

    Raises
    ------
    InputError
        No product is of one of the tiles.
    """
    table = list_paper_products()
    if not tiles:
        return table
    tile_of = table["product"].map(lambda name: read_scene(name).tile)
    wanted = {f"T{tile.upper().removeprefix('T')}" for tile in tiles}
    unknown = sorted(wanted.difference(tile_of))
    if unknown:
        known = ", ".join(sorted(set(tile_of)))
        raise InputError(f"tile {unknown[0]} is not one of the archive's: give some of {known}")
    return table[tile_of.isin(wanted)].reset_index(drop=True)


def fetch_tiles(folder: str | Path, tiles: Collection[str] = (), only_list: bool = False) -> pd.DataFrame:
    """Find the L2A products of the archive's tiles, and download those that are not in the folder yet.

    Parameters
    ----------
    folder : Path or str
        Gets ``*.SAFE`` folders and the list.
    tiles : collection of str
        Some of the tiles; empty: all 125 products.
    only_list : bool
        Whether the list is made and nothing is downloaded. Needs no account.

    Returns
    -------
    DataFrame [l1c, patches, l2a, baseline, offset, files, bytes]
        One row per product, see `Entry`.

    Raises
    ------
    InputError
        eodag, credentials or room are missing; the service fails; a product is damaged.
    """
    folder = Path(folder)
    chosen = choose_products(tiles)
    catalogue = Catalogue()
    if not only_list:
        catalogue.check_credentials()
    with locked(folder / _WORK / "lock", f"folder of tiles {folder}"):
        listed = _List(folder)
        missing = []
        for product in track(list(chosen.itertuples()), "searching", "tile"):
            if listed.is_here(product.product):
                continue
            offers = catalogue.find(read_scene(product.product))
            listed.enter_offers(product.product, product.patches, offers)
            missing += [offer for offer in offers if not listed.has(offer.name)]
        if not only_list:
            _check_room(folder, missing)
            for number, offer in enumerate(missing, 1):
                print(f"{number} of {len(missing)}: {offer.name}")
                _fetch_product(offer, folder)
                listed.enter_product(offer.name)
        return listed.table(chosen["product"])


class _List:
    """The list of a folder, written whenever it changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LIST
        self.entries: list[Entry] = []
        if self.path.exists():
            table = read_csv(self.path, _COLUMNS, "list")
            self.entries = [Entry(**row) for row in table[list(_COLUMNS)].to_dict("records")]

    def is_here(self, l1c: str) -> bool:
        """Whether all L2A products of an L1C product are in the folder, as whole as they were when unpacked."""
        entries = [entry for entry in self.entries if entry.l1c == l1c]
        return bool(entries) and all(self.has(entry.l2a) for entry in entries)

    def has(self, l2a: str) -> bool:
        """Whether a product is in the folder, whole.

        Raises
        ------
        InputError
            It is there and not as it was unpacked.
        """
        product = self.folder / l2a
        if l2a == NONE or not product.exists():
            return False
        measured = _measure(product)
        known = [entry for entry in self.entries if entry.l2a == l2a and entry.files]
        if known and (known[0].files, known[0].bytes) != measured:
            raise InputError(f"{product} is not as it was unpacked: move it elsewhere, then call again")
        if not known:
            self.enter_product(l2a)
        return True

    def enter_offers(self, l1c: str, patches: int, offers: list[Offer]) -> None:
        """Record what the catalogue offers for a product of the archive."""
        known = {entry.l2a: entry for entry in self.entries if entry.l1c == l1c}
        self.entries = [entry for entry in self.entries if entry.l1c != l1c]
        for offer in offers:
            self.entries.append(known.get(offer.name) or Entry(l1c, patches, offer.name, offer.baseline))
        if not offers:
            self.entries.append(Entry(l1c, patches, NONE, ""))
        self._write()

    def enter_product(self, l2a: str) -> None:
        """Record baseline and offset of a product in the folder, from its own metadata."""
        tile = read_product(self.folder / l2a)[0]
        offset = "/".join(str(value) for value in sorted(set(tile.offset.values())))
        files, size = _measure(self.folder / l2a)
        for i, entry in enumerate(self.entries):
            if entry.l2a == l2a:
                self.entries[i] = Entry(entry.l1c, entry.patches, l2a, tile.baseline, offset, files, size)
        self._write()

    def table(self, l1c: Collection[str]) -> pd.DataFrame:
        """The entries of some products of the archive."""
        rows = [asdict(entry) for entry in self.entries]
        table = pd.DataFrame(rows, columns=list(_COLUMNS))
        return table[table.l1c.isin(list(l1c))].sort_values(["l1c", "l2a"], ignore_index=True)

    def _write(self) -> None:
        with write_whole(self.path) as new:
            pd.DataFrame([asdict(entry) for entry in self.entries]).to_csv(new, index=False)


def _check_room(folder: Path, offers: list[Offer]) -> None:
    """Refuse to begin what the disk or a quota cannot take: all products unpacked, and one of them as a zip, too."""
    sizes = [offer.size or _TYPICAL_BYTES for offer in offers]
    if sizes:
        check_room(folder, sum(sizes) + max(sizes), _FILES * len(sizes), "choose another folder, or fewer tiles")


def _fetch_product(offer: Offer, folder: Path) -> None:
    """Download a product's zip, unpack it, and remove the zip."""
    packed = folder / _WORK / f"{offer.name}.zip"
    fetch_file(offer.url, packed, offer.checksum, offer.authenticate())
    part = folder / _WORK / "unpacked" / packed.stem  # deeper than products are looked for
    shutil.rmtree(part, ignore_errors=True)
    try:
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(part, _list_members(archive, offer.name))  # verifies the checksum of every member
        (part / offer.name).rename(folder / offer.name)
    except (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, ValueError, zlib.error) as error:
        packed.unlink()  # it was fetched here and is no product
        raise InputError(f"{offer.name}: what was downloaded is damaged ({error}): call again") from None
    except OSError as error:
        raise InputError(
            f"{folder / offer.name} cannot be unpacked ({error.strerror}): free space or quota, then call again"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    packed.unlink()


def _list_members(archive: zipfile.ZipFile, name: str) -> list[str]:
    """Members of a zip that belong to a product; KeyError where there are none."""
    members = [member for member in archive.namelist() if member.startswith(f"{name}/")]
    if not members:
        raise KeyError(f"it holds no {name}")
    return members


def _measure(product: Path) -> tuple[int, int]:
    """Number of files of a product, and their bytes."""
    sizes = [path.stat().st_size for path in _list_files(product)]
    return len(sizes), sum(sizes)


def _list_files(product: Path) -> Iterator[Path]:
    return (path for path in product.rglob("*") if path.is_file())
