"""Write the miniature landscape as a BigEarthNet archive, file by file as the published ones."""

import json
import os
import shutil
from pathlib import Path

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.miniature.layouts import write_v1, write_v2
from bigearth.miniature.places import TILES
from bigearth.outside import read_json
from bigearth.patch import MINIATURE_MARKER, MINIATURE_PATCHES, parse_miniature

FEWEST_PATCHES = len(TILES)
NOTE = "A generated landscape in the layout of BigEarthNet: for trying the study, not for science."


def miniature(workdir: str | Path) -> Path:
    """Write the miniature archive of a working folder if it is not there yet.

    Parameters
    ----------
    workdir : str or Path

    Returns
    -------
    Path
        ``<workdir>/archive``.
    """
    return write_archive(Path(workdir) / "archive")


def find_archive(archive: str | Path, workdir: str | Path) -> Path:
    """Find the folder that a notebook's parameter ``archive`` means; a miniature is written if it is not there yet."""
    named = parse_miniature(archive)
    if named is None:
        return resolve(archive)
    name, patches = named
    return write_archive(resolve(workdir) / name, patches)


def write_archive(folder: str | Path, patches: int = MINIATURE_PATCHES, seed: int = 1, version: int = 1) -> Path:
    """Write a miniature archive; a complete one of the same parameters is left as it is.

    Parameters
    ----------
    folder : str or Path
        Written beside its place and renamed, so that an incomplete archive never carries this name.
    patches : int
        Number of patches (v2.0 has fewer: those without a label among the 19 are absent).
    seed : int
        Same seed, same bytes.
    version : int
        1 or 2: the layout of BigEarthNet v1.0 or v2.0.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder exists and is something else; too few patches.
    """
    if patches < FEWEST_PATCHES:
        raise InputError(f"patches is {patches}: give at least {FEWEST_PATCHES}, one for each tile of the miniature")
    folder = Path(folder)
    description = {"note": NOTE, "patches": patches, "seed": seed, "version": version}
    if os.path.lexists(folder):
        _check_existing(folder, description)
        return folder
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        if version == 1:
            write_v1(part, patches, seed)
        else:
            write_v2(part, patches, seed)
        (part / MINIATURE_MARKER).write_text(json.dumps(description, indent=1) + "\n")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _check_existing(folder: Path, description: dict) -> None:
    marker = folder / MINIATURE_MARKER
    if not marker.exists():
        raise InputError(
            f"{folder} exists and is not the miniature archive: it is left as it is; give its path as archive to use "
            f"it, or choose another workdir for the miniature"
        )
    if read_json(marker, "marker") != description:
        raise InputError(
            f"{folder} is a miniature of other parameters or of another version of the study: choose another workdir"
        )
