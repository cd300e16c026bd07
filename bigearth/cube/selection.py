"""Which patches go into the cube, in which split and in which order; every choice and count is recorded."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from bigearth.archive.lists import find_list, read_names, read_splits
from bigearth.archive.splitting import hash_names, split_at_random
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.labels import label_names, to_19
from bigearth.patch import SPLITS

# How the splits were made, in the record.
OWN_SPLITS = "the archive's own"
RANDOM_SPLITS = "random 60/20/20"


def select(
    index: pd.DataFrame,
    exclude: Sequence[str] = (),
    splits: str | Path | None = "",
    nomenclature: int | None = None,
    seed: int = 1,
) -> tuple[pd.DataFrame, dict]:
    """Choose the patches of a cube and put them in its row order.

    Parameters
    ----------
    index : pandas.DataFrame
        As `archive.index.read_index` returns it.
    exclude : list of str
        CSV files of patch names to leave out; a bare file name is looked for in the archive's ``lists/``.
    splits : str or Path
        Folder with train.csv, val.csv and test.csv; "random" for a seeded 60/20/20; empty or None: the archive's own
        lists.
    nomenclature : int, optional
        43 or 19; default: the archive's own. A patch that has no label among the 19 is left out.
    seed : int
        Of the random split and of the row order.

    Returns
    -------
    rows : pandas.DataFrame
        The index of the chosen patches, split-major; inside a split in an order that is a function of seed and patch
        name only. ``split`` and ``labels`` are those of the cube.
    record : dict
        Choices and counts.

    Raises
    ------
    InputError
        A list is unreadable, empty or knows no patch of the archive; the archive has no splits of its own and none are
        given; 43 classes of a v2.0 archive; nothing is left.
    """
    if isinstance(exclude, str | Path):
        raise InputError(f"exclude is {str(exclude)!r}: give a list of files, such as [{str(exclude)!r}]")
    version = index.attrs["version"]
    own = 43 if version == 1 else 19
    nomenclature = nomenclature or own
    label_names(nomenclature)  # an unknown number is an error now
    if nomenclature > own:
        raise InputError("nomenclature 43 is not in a v2.0 archive, whose patches carry 19 classes: give 19")
    record = {"archive_version": version, "patches": len(index), "exclude": {}, "nomenclature": nomenclature}
    for name in ("absent", "unlisted"):
        if index.attrs.get(name):
            record[name] = index.attrs[name]
    if "absent" in record:
        named = len(index) + record["absent"]
        warnings.warn(f"{record['absent']:,} of the archive's {named:,} patches are not there", stacklevel=2)

    # leave patches out
    known = {*index.patch, *index.attrs.get("damaged", ())}
    excluded: set[str] = set()
    for path in exclude:
        listed = set(read_names(find_list(path, index.attrs["tables"])))
        record["exclude"][Path(path).name] = _count_known(listed, known, path)
        excluded |= listed
    rows = index[~index.patch.isin(excluded)]
    record["excluded"] = len(index) - len(rows)

    # translate labels
    if nomenclature < own:
        labels = pd.Series([to_19(patch) for patch in rows.labels], rows.index)
        rows = rows.assign(labels=labels)[labels.map(len) > 0]
    record["without_label"] = len(index) - record["excluded"] - len(rows)

    # split
    record["splits"], split = _split(rows, splits, seed, known, index.attrs["tables"])
    rows = rows.assign(split=split)
    unassigned = rows.split.isna()
    record["without_split"] = int(unassigned.sum())
    rows = rows[~unassigned]
    if rows.empty:
        raise InputError(f"no patch is left of {len(index)}: {record}; check exclude and splits")

    # put in order
    codes = rows.split.map(SPLITS.index)
    order = pd.DataFrame({"split": codes, "hash": hash_names(rows.patch, order_salt(seed))}, rows.index)
    rows = rows.loc[order.sort_values(["split", "hash"]).index].reset_index(drop=True)
    for name in SPLITS:
        record[name] = int((rows.split == name).sum())
    record |= {"rows": len(rows), "labels": int(rows.labels.map(len).sum()), "seed": seed}
    return rows, record


def order_salt(seed: int) -> str:
    """Return the salt of the hash of names that orders the rows of a split."""
    return f"order {seed}"


def _split(
    rows: pd.DataFrame, splits: str | Path | None, seed: int, known: set[str], tables: str
) -> tuple[str, pd.Series]:
    """Split the rows; return the kind of split, and the split of each row (None where no list names it)."""
    if not splits:
        if not rows.split.notna().any():
            raise InputError(
                f"archive {tables} has no splits of its own (lists/splits): get the official ones of v1.0 with python "
                f"-m bigearth download lists {tables}, or set splits to a folder of lists, or to random"
            )
        return OWN_SPLITS, rows.split
    if splits == "random":
        return RANDOM_SPLITS, split_at_random(rows.patch, seed)
    listed = read_splits(resolve(splits))
    _count_known(listed.keys(), known, splits)
    split = pd.Series([listed.get(patch) for patch in rows.patch.tolist()], rows.index, dtype=object)
    return f"lists in {Path(splits).name}", split


def _count_known(listed: Iterable[str], known: set[str], path: str | Path) -> int:
    """Count the listed names that the archive has; warn of those that it lacks.

    Raises
    ------
    InputError
        It has none of them.
    """
    listed = set(listed)
    found = len(known.intersection(listed))
    if not found:
        raise InputError(f"{path} names {len(listed)} patches, none of this archive: give the lists that belong to it")
    if found < len(listed):
        unknown = len(listed) - found
        warnings.warn(f"{path}: {unknown:,} of its {len(listed):,} names are not in the archive", stacklevel=4)
    return found
