"""A sample of an archive's patches with their pixels: bands, purest patches, spectra of the classes."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from bigearth.archive.pixels import read_patches
from bigearth.archive.source import Archive
from bigearth.labels import CLC_CODE, TO_19
from bigearth.patch import BANDS, BANDS_AT, QUANTIFICATION, RESOLUTION, WAVELENGTH

# The first digit of a CORINE code.
KINDS = {1: "artificial surfaces", 2: "agricultural areas", 3: "forests and nature", 4: "wetlands", 5: "water"}


class Sample:
    """The pixels of some patches.

    Parameters
    ----------
    archive : Archive
    chosen : pandas.DataFrame
        patch, folder (relative to the archive), label: a row for each label of each patch, the purest patch of a label
        first.
    names : sequence of str
        Labels of the nomenclature in their order.

    Attributes
    ----------
    pixels : dict
        Patch name to its bands, as `read_patch` returns them.
    """

    def __init__(self, archive: Archive, chosen: pd.DataFrame, names: Sequence[str]) -> None:
        self.archive = archive
        self.chosen = chosen
        self.names = names
        once = chosen.drop_duplicates("patch")
        self.pixels = dict(zip(once.patch, read_patches(archive, once.folder.tolist()), strict=True))

    def choose_example(self) -> str:
        """Name of the patch with the most varied near infrared."""
        return max(self.pixels, key=lambda patch: self.pixels[patch][10][..., 3].std())

    def list_bands(self, patch: str) -> list[tuple[str, np.ndarray]]:
        """The twelve bands of a patch in the order of wavelength: titles such as "B02, 492 nm, 10 m", and images."""
        images = {}
        for metres, bands in BANDS_AT.items():
            for i, band in enumerate(bands):
                images[band] = self.pixels[patch][metres][..., i]
        listed = []
        for band in BANDS:
            title = f"{band}, {WAVELENGTH[band]:.0f} nm\n{RESOLUTION[band]} m"
            listed.append((title, images[band]))
        return listed

    def describe_bands(self, patch: str) -> pd.DataFrame:
        """Mean digital number of each band of a patch: columns ``band`` and ``mean``."""
        return pd.DataFrame({"band": BANDS, "mean": QUANTIFICATION * self.means.loc[patch].to_numpy()})

    def find_purest(self) -> pd.Series:
        """For every class that is there, the name of the patch with the fewest other labels; index: label."""
        purest = self.chosen.drop_duplicates("label").set_index("label").patch
        return purest.reindex(self.names).dropna().rename_axis("label")

    def read_tens(self, folders: Iterable[str]) -> list[np.ndarray]:
        """Read the 10 m bands of patches by their folders, each (120, 120, 4) uint16."""
        return [bands[10] for bands in read_patches(self.archive, list(folders))]

    @cached_property
    def means(self) -> pd.DataFrame:
        """Mean reflectance of each patch (row) in each band (column, in the order of wavelength)."""
        rows = []
        for bands in self.pixels.values():
            row: dict[str, float] = {}
            for metres, names in BANDS_AT.items():
                row |= dict(zip(names, bands[metres].mean(axis=(0, 1)), strict=True))
            rows.append(row)
        return pd.DataFrame(rows, list(self.pixels))[list(BANDS)] / QUANTIFICATION

    def measure_spectra(self) -> pd.DataFrame:
        """Median and quartiles of the patches' mean reflectance, for each class and band.

        Returns
        -------
        pandas.DataFrame
            kind ("water", ...), label, band, wavelength_nm, q25, median, q75 (reflectance), all_patches (median of the
            whole sample), patches (number of the class); in the order of kinds, classes and wavelengths.
        """
        tables = []
        for label in self.names:
            patches = self.chosen.patch[self.chosen.label == label]
            if patches.empty:
                continue
            means = self.means.loc[patches]
            columns = {
                "kind": KINDS[_first_digit(label)],
                "label": label,
                "band": BANDS,
                "wavelength_nm": WAVELENGTH.values(),
                "q25": means.quantile(0.25),
                "median": means.median(),
                "q75": means.quantile(0.75),
                "all_patches": self.means.median(),
                "patches": len(patches),
            }
            tables.append(pd.DataFrame(columns, index=BANDS))
        return pd.concat(tables, ignore_index=True)

    def measure_vegetation(self) -> pd.Series:
        """Vegetation index of the purest patch of each class, ascending: (near infrared - red) / (their sum)."""
        purest = self.find_purest()
        means = self.means.loc[purest].set_axis(purest.index)
        return ((means.B08 - means.B04) / (means.B08 + means.B04)).dropna().sort_values()


def _first_digit(label: str) -> int:
    """First digit of a label's CORINE code; a group among the 19 has its first member's."""
    for name, code in CLC_CODE.items():
        if label in (name, TO_19[name]):
            return code // 100
    raise KeyError(label)
