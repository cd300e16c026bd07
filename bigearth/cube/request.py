"""Parameters of `preprocessing.write_cube`: checked for type and range, paths resolved."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigearth.cube.layout import UPSAMPLINGS
from bigearth.cube.tile_shares import DISTRIBUTIONS
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.labels import label_names
from bigearth.parameters import convert

# Seeds that an attribute of HDF5 can hold: 64 bits with sign.
_SEED_LIMIT = 2**63


@dataclass(frozen=True)
class Request:
    """Parameters of `write_cube`, paths resolved."""

    cube: Path
    archive: Path
    workdir: Path
    exclude: Sequence[str]
    splits: str | Path
    nomenclature: int | None
    upsampling: str
    seed: int
    tiles: Path | None
    weights: str | Path
    distribution: str
    whole_tiles: bool


def make_request(
    *,
    cube: Any,
    archive: Any,
    workdir: Any,
    exclude: Any,
    splits: Any,
    nomenclature: Any,
    upsampling: Any,
    seed: Any,
    tiles: Any,
    weights: Any,
    distribution: Any,
    whole_tiles: Any,
) -> Request:
    """Check the type and range of every parameter of `write_cube`; nothing is read or written.

    Raises
    ------
    InputError
        A value is of another type, out of range, none of its choices, or does not go with another.
    """
    for name, value in {"cube": cube, "archive": archive, "workdir": workdir}.items():
        if not _check_path(name, value):
            raise InputError(f"{name} is empty: give a path")
    seed = convert("seed", seed, int)
    if not -_SEED_LIMIT <= seed < _SEED_LIMIT:
        raise InputError(f"seed {seed} has more than 64 bits: give a smaller number")
    nomenclature = convert("nomenclature", nomenclature, int | None)
    if nomenclature is not None:
        label_names(nomenclature)  # an unknown number is an error now
    _check_choice("upsampling", upsampling, UPSAMPLINGS)
    _check_choice("distribution", distribution, DISTRIBUTIONS)
    tiles = _check_path("tiles", tiles)
    whole_tiles = convert("whole_tiles", whole_tiles, bool)
    if whole_tiles and (not tiles or upsampling != "dsen2"):
        raise InputError("whole_tiles is for upsampling 'dsen2' of tiles: give both, or set whole_tiles to false")
    return Request(
        cube=resolve(cube),
        archive=resolve(archive),
        workdir=resolve(workdir),
        exclude=_check_lists(exclude),
        splits=_check_path("splits", splits),
        nomenclature=nomenclature,
        upsampling=upsampling,
        seed=seed,
        tiles=resolve(tiles) if tiles else None,
        weights=_check_path("weights", weights),
        distribution=distribution,
        whole_tiles=whole_tiles,
    )


def _check_path(name: str, value: Any) -> str:
    """A path as text; empty for None."""
    if value is None:
        return ""
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{name} is {value!r:.60}: give a path as text")
    text = os.fspath(value)
    if not isinstance(text, str) or "\0" in text:
        raise InputError(f"{name} is {value!r:.60}: give a path as text")
    return text


def _check_lists(exclude: Any) -> list[str]:
    """Paths of lists of patches; none for None."""
    if isinstance(exclude, str | os.PathLike):
        raise InputError(f"exclude is {str(exclude)!r}: give a list of files, such as [{str(exclude)!r}]")
    if exclude is None:
        return []
    if not isinstance(exclude, Iterable):
        raise InputError(f"exclude is {exclude!r:.60}: give a list of files")
    paths = []
    for item in exclude:
        path = _check_path("exclude", item)
        if not path:
            raise InputError("exclude holds an empty path: give a list's path, or [] to leave nothing out")
        paths.append(path)
    return paths


def _check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} {value!r:.60} is unknown: give one of {', '.join(choices)}")
