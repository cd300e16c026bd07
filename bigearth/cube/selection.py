"""Which patches go into the cube, in which split and in which order; every choice and count is recorded."""

import warnings
from pathlib import Path

import pandas as pd

from bigearth import labels as names
from bigearth.archive.lists import find_list, read_names, read_splits
from bigearth.archive.splitting import hash_names, split_at_random
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.patch import SPLITS


def select(index, exclude=(), splits="", nomenclature=None, seed=1):
    """Choose the patches of a cube and put them in its row order.

    Parameters
    ----------
    index : pandas.DataFrame
        As `archive.read_index` returns it.
    exclude : list of str
        CSV files of patch names to leave out; a bare file name is looked for in the archive's ``lists/``.
    splits : str or Path
        Folder with train.csv, val.csv and test.csv; "random" for a seeded 60/20/20; empty or None: the archive's own
        lists, or random where it has none.
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
        A list is unreadable, empty or knows no patch of the archive; 43 classes of a v2.0 archive; nothing is left.
    """
    version = index.attrs["version"]
    own = 43 if version == 1 else 19
    nomenclature = nomenclature or own
    names.label_names(nomenclature)  # an unknown number is an error now
    if nomenclature > own:
        raise InputError("nomenclature 43 is not in a v2.0 archive, whose patches carry 19 classes: give 19")
    record = {"archive_version": version, "patches": len(index), "exclude": {}, "nomenclature": nomenclature}
    record |= {name: index.attrs[name] for name in ("absent", "unlisted") if index.attrs.get(name)}
    if "absent" in record:
        named = len(index) + record["absent"]
        warnings.warn(f"{record['absent']:,} of the archive's {named:,} patches are not there", stacklevel=2)

    known = set(index.patch.tolist())
    excluded = set()
    for path in exclude:
        listed = set(read_names(find_list(path, index.attrs["archive"])))
        record["exclude"][Path(path).name] = len(_known(listed, known, path))
        excluded |= listed
    rows = index[~index.patch.isin(excluded)]
    record["excluded"] = len(index) - len(rows)

    if nomenclature < own:
        labels = pd.Series([names.to_19(patch) for patch in rows.labels], rows.index)
        rows = rows.assign(labels=labels)[labels.map(len) > 0]
    record["without_label"] = len(index) - record["excluded"] - len(rows)

    record["splits"], split = _splits(rows, splits, seed, known)
    rows = rows.assign(split=split)
    unassigned = rows.split.isna()
    record["without_split"] = int(unassigned.sum())
    rows = rows[~unassigned]
    if rows.empty:
        raise InputError(f"no patch is left of {len(index)}: {record}; check exclude and splits")
    order = pd.DataFrame(
        {"split": rows.split.map(SPLITS.index), "hash": hash_names(rows.patch, f"order {seed}")}, rows.index
    )
    rows = rows.loc[order.sort_values(["split", "hash"]).index].reset_index(drop=True)
    record |= {name: int((rows.split == name).sum()) for name in SPLITS}
    record |= {"rows": len(rows), "labels": int(rows.labels.map(len).sum()), "seed": seed}
    return rows, record


def _splits(rows, splits, seed, known):
    """How the rows were split, and the split of each (None where no list names it)."""
    if not splits and rows.split.notna().any():
        return "the archive's own", rows.split
    if splits and splits != "random":
        split = read_splits(resolve(splits))
        _known(split.keys(), known, splits)
        return f"lists in {Path(splits).name}", pd.Series(map(split.get, rows.patch.tolist()), rows.index, dtype=object)
    return "random 60/20/20", split_at_random(rows.patch, seed)


def _known(listed, known, path):
    found = known.intersection(listed)
    if not found:
        raise InputError(f"{path} names {len(listed)} patches, none of this archive: give the lists that belong to it")
    if len(found) < len(listed):
        message = f"{path}: {len(listed) - len(found):,} of its {len(listed):,} names are not in the archive"
        warnings.warn(message, stacklevel=4)
    return found
