"""How much patches differ that were cut from whole super-resolved tiles, or cut out first and super-resolved then."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bigearth.cube.layout import WHOLE_TILES
from bigearth.cube.reading import Cube
from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS
from bigearth.upsampling.datasets import load_networks, make_datasets

_PATCHES = 64


@dataclass(frozen=True)
class CuttingComparison:
    """Some patches of a cube, both ways.

    Attributes
    ----------
    whole, first : (n, 120, 120, 12) uint16 array
        Cut from whole tiles at 10 m, as the cube holds them; and cut out first, which sees nothing beyond the border.
    """

    whole: np.ndarray
    first: np.ndarray

    def measure(self) -> pd.DataFrame:
        """Measure the difference by the distance from the patch's border.

        Returns
        -------
        DataFrame [resolution, distance, difference]
            Native resolution of the bands (m); distance of a pixel's centre from the border (m); mean absolute
            difference of these pixels (digital numbers).
        """
        difference = np.abs(self.whole.astype(np.int32) - self.first)
        line = np.arange(PIXELS[10])
        to_edge = np.minimum(line, line[::-1])
        distance = np.minimum(to_edge[:, None], to_edge[None, :])
        rows = []
        for metres in (20, 60):
            mean = difference[..., _columns(metres)].mean(axis=(0, 3))
            for step in range(distance.max() + 1):
                rows.append((metres, 10 * step + 5, float(mean[distance == step].mean())))
        return pd.DataFrame(rows, columns=["resolution", "distance", "difference"])

    def summarise(self) -> pd.DataFrame:
        """Summarise the difference: DataFrame [resolution, outermost pixels, within 80 m, farther in, changed].

        Mean absolute differences in digital numbers, and the share of pixels that differ at all.
        """
        table = self.measure()
        rows = []
        for metres, part in table.groupby("resolution"):
            bands = _columns(int(metres))
            changed = (self.whole[..., bands] != self.first[..., bands]).mean()
            near = part[part.distance < 80].difference.mean()
            far = part[part.distance > 80].difference.mean()
            rows.append((metres, part.difference.iloc[0], near, far, changed))
        return pd.DataFrame(rows, columns=["resolution", "outermost pixels", "within 80 m", "farther in", "changed"])

    def show(self, band: str) -> dict[str, np.ndarray]:
        """Images of the patch that differs most in a band: whole tile, patch first, and their difference."""
        column = BANDS.index(band)
        difference = self.whole[..., column].astype(np.int32) - self.first[..., column]
        patch = int(np.abs(difference).mean(axis=(1, 2)).argmax())
        return {
            "whole tile": self.whole[patch, ..., column],
            "patch first": self.first[patch, ..., column],
            "difference": difference[patch],
        }


def compare_cutting(cube: Cube, weights: str | Path) -> CuttingComparison | None:
    """Super-resolve some patches of a cube on their own, to compare them with the cube's.

    Parameters
    ----------
    cube : Cube
    weights : path
        Folder of DSen2's networks, with which the cube was made.

    Returns
    -------
    CuttingComparison or None
        None where the cube's patches were not cut from whole tiles.
    """
    if cube.attributes.get("super_resolved") != WHOLE_TILES:
        return None
    rows = np.unique(np.linspace(0, len(cube.classes) - 1, _PATCHES).astype(int))
    native = {metres: np.asarray(cube.array(key)[rows]) for metres, key in DATASET_OF.items()}
    first = make_datasets(native, "dsen2", load_networks("dsen2", weights))[DATA_SUPER]
    return CuttingComparison(np.asarray(cube.array(DATA_SUPER)[rows]), first)


def _columns(metres: int) -> list[int]:
    return [BANDS.index(band) for band in BANDS_AT[metres]]
