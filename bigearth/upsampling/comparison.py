"""Compare the methods that bring coarse bands to 10 m on patches of a cube (notebook 07)."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.outside import open_file
from bigearth.patch import BANDS_AT, DATASET_OF, QUANTIFICATION
from bigearth.upsampling.datasets import load_networks
from bigearth.upsampling.quality import Bands, compare_estimates, cut_patches, estimate_bands


class MethodComparison:
    """Patches of a cube, made coarser and brought back by every method.

    Parameters
    ----------
    cube : str or Path
        HDF5 file that notebook 02 wrote.
    patches : int
        How many of its rows, evenly spread, are compared.
    weights : str or Path
        Folder of DSen2's networks; empty: without DSen2.

    Attributes
    ----------
    is_miniature : bool
        Whether the cube was made from a generated archive.
    truth : dict
        Resolution in m to the patches, (n, size, size, bands), cut to `quality.COMPARED_METRES`.
    estimates : dict
        (resolution, method) to what the method made of the coarser bands.
    table : DataFrame [metres, method, band, RMSE, SRE, SSIM]
        See `quality.compare_bands`.
    """

    def __init__(self, cube: str | Path, patches: int, weights: str | Path = ""):
        path = resolve(cube)
        self.truth = cut_patches(read_rows(path, patches))
        with h5py.File(path) as file:
            self.is_miniature = bool(file.attrs.get("miniature", False))
        networks = load_networks("dsen2", weights) if weights else None
        self.estimates = estimate_bands(self.truth, networks)
        self.table = compare_estimates(self.truth, self.estimates)

    def tabulate_bands(self) -> pd.DataFrame:
        """Tabulate RMSE, SRE and SSIM of every method, a row per band."""
        table = self.table.pivot(index=["metres", "band"], columns="method", values=["RMSE", "SRE", "SSIM"])
        table.columns = [f"{measure} {method}" for measure, method in table.columns]
        return table.reset_index()

    def average_errors(self) -> pd.DataFrame:
        """Average the RMSE over the bands of a resolution: rows 20 and 60, a column per method, best method first."""
        mean = self.table.groupby(["metres", "method"]).RMSE.mean().unstack()
        return mean[mean.mean().sort_values().index]

    def show_patch(self, metres: int, band: str) -> dict[str, np.ndarray]:
        """Show one band of the patch that varies most: the truth and every method's estimate, as reflectances."""
        column = BANDS_AT[metres].index(band)
        truth = self.truth[metres][..., column]
        patch = int(truth.reshape(len(truth), -1).std(1).argmax())
        images = {"measured": truth[patch] / QUANTIFICATION}
        for (resolution, method), estimate in self.estimates.items():
            if resolution == metres:
                images[method] = estimate[patch, ..., column] / QUANTIFICATION
        return images


def read_rows(cube: Path, count: int) -> Bands:
    """Read native bands of rows of a cube, evenly spread.

    Parameters
    ----------
    cube : Path
    count : int
        Rows; all where the cube has fewer.

    Returns
    -------
    dict
        Resolution in m to (n, size, size, bands) uint16.

    Raises
    ------
    InputError
        The file is missing, open for writing elsewhere, or no cube.
    """
    open_file(cube, "cube").close()
    try:
        with h5py.File(cube) as file:
            n = len(file[DATASET_OF[10]])
            rows = np.unique(np.linspace(0, n - 1, min(count, n)).astype(int))
            return {metres: np.stack([file[key][row] for row in rows]) for metres, key in DATASET_OF.items()}
    except (OSError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cube {cube} cannot be read ({reason}): give a file that notebook 02 wrote") from None
