"""The file that the paper's authors published: the same keys as a cube, but no patch names, splits or attributes."""

import h5py
import numpy as np

from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.labels import TO_19, label_names
from bigearth.patch import BANDS_AT, DATASET_OF
from bigearth.tables import read_csv

# The paper's Table 3, with the number of patches of the test split that carry each label.
TABLE_3 = ROOT / "results/paper/table3_per_class_f1.csv"
_SAMPLED_ROWS = 500  # give mean and standard deviation
# By how much one order's correlation must exceed the other's; the paper's own counts give 1.0 and 0.1.
_CLEAR_DIFFERENCE = 0.2


def find_label_order(classes: np.ndarray, path: object) -> tuple[tuple[str, ...], str]:
    """Decide the order of label columns by the frequencies of Table 3: as in CORINE, or alphabetical.

    Parameters
    ----------
    classes : (n, 43) or (n, 19) array
        Binarised labels.
    path : Path
        Of the file, for messages.

    Returns
    -------
    labels : tuple of str
        In the order of the columns.
    reason : str
        How the order was decided, to be shown to the user.

    Raises
    ------
    InputError
        The frequencies do not tell.
    """
    corine = label_names(classes.shape[1])
    alphabetical = tuple(sorted(corine))
    counts = np.log1p(classes.sum(0, dtype=np.int64))
    expected = _expect_counts(classes.shape[1])
    correlations = []
    for labels in (corine, alphabetical):
        wanted = np.log1p([expected[label] for label in labels])
        correlations.append(float(np.corrcoef(counts, wanted)[0, 1]) if counts.std() else 0.0)
    as_corine, as_alphabetical = correlations
    found = (
        f"correlation with Table 3's frequencies {as_corine:.2f} in CORINE's order, {as_alphabetical:.2f} alphabetical"
    )
    if abs(as_corine - as_alphabetical) < _CLEAR_DIFFERENCE:
        raise InputError(
            f"cube {path} has no label names, and its label frequencies do not tell their order ({found}): "
            "give a file with more patches, or a cube that notebook 02 wrote"
        )
    if as_corine > as_alphabetical:
        return corine, f"label columns in CORINE's order ({found})"
    return alphabetical, f"label columns in alphabetical order ({found})"


def estimate_statistics(file: h5py.File) -> tuple[dict[str, float], dict[str, float]]:
    """Return mean and standard deviation of each band, from a sample of evenly spaced rows."""
    step = max(1, len(file["classes"]) // _SAMPLED_ROWS)
    mean: dict[str, float] = {}
    std: dict[str, float] = {}
    for metres, bands in BANDS_AT.items():
        sample = file[DATASET_OF[metres]][::step].reshape(-1, len(bands)).astype(np.float64)
        mean |= dict(zip(bands, sample.mean(0).tolist(), strict=True))
        std |= dict(zip(bands, sample.std(0).tolist(), strict=True))
    return mean, std


def _expect_counts(nomenclature: int) -> dict[str, float]:
    """Patches per label in Table 3; for 19 classes the sums over the labels that each holds."""
    table = read_csv(TABLE_3, {"class": str, "support": int}, "Table 3")
    support = dict(zip(table["class"], table["support"], strict=True))
    if nomenclature == 43:
        return support
    grouped: dict[str, float] = {}
    for label, group in TO_19.items():
        if group:
            grouped[group] = grouped.get(group, 0) + support[label]
    return grouped
