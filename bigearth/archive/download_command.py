"""The command ``python -m bigearth download``: an archive, its official lists, or the tiles behind it."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "what",
        choices=("v1", "v2", "lists", "tiles"),
        help="v1.0 (66 GB packed) with its official lists, v2.0 (63 GB), the lists of v1.0 alone (7 MB), or the "
        "Sentinel-2 L2A products of its tiles (about 125 GB; needs eodag and a free account)",
    )
    parser.add_argument("folder", help="gets the files; the notebooks read them as they come")
    parser.add_argument("--unpack", action="store_true", help="unpack an archive, too: 110 GB and 8 million files more")
    parser.add_argument(
        "--tile", action="append", default=[], help="of tiles: only this, as T33UUP (may be given again)"
    )
    parser.add_argument(
        "--list", action="store_true", help="of tiles: only list what the catalogue has; no account needed"
    )


def run(options: argparse.Namespace, folder: str) -> int:
    """Download what the arguments ask for; returns the exit status.

    Raises
    ------
    InputError
        See `download.fetch_archive`, `official_lists.fetch_lists` and `tile_download.fetch_tiles`.
    """
    if options.what == "tiles":
        return _fetch_tiles(options, folder)
    # pandas and pooch: the other commands need none
    from bigearth.archive.download import describe_costs, fetch_archive
    from bigearth.archive.official_lists import fetch_lists

    if options.what in ("v1", "lists"):
        for path in fetch_lists(folder):
            print(path)
    if options.what != "lists":
        print(f"BigEarthNet {options.what}: {describe_costs(options.what)}")
        for path in fetch_archive(options.what, folder, options.unpack):
            print(path)
    return 0


def _fetch_tiles(options: argparse.Namespace, folder: str) -> int:
    from bigearth.archive.tile_download import LIST, NONE, fetch_tiles

    table = fetch_tiles(folder, options.tile, options.list)
    print(table[["l1c", "l2a", "baseline", "offset"]].to_string(index=False))
    lacking = table[table.l2a == NONE]
    if len(lacking):
        print(f"{len(lacking)} of the archive's products have no L2A product there: {', '.join(lacking.l1c)}")
    print(f"{len(table)} products are listed in {folder}/{LIST}")
    return 0
