"""Tables of notebook 02 about a cube: selection, ranks, content, and the time for larger archives."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from bigearth.archive.index import read_index
from bigearth.archive.products import list_paper_products
from bigearth.cube.check import check
from bigearth.cube.cutting import CuttingComparison, compare_cutting
from bigearth.cube.progress import show_writing
from bigearth.cube.reading import Cube, open_cube
from bigearth.cube.selection import RANDOM_SPLITS, select
from bigearth.cube.tile_shares import compare_algorithms
from bigearth.files import resolve
from bigearth.patch import BANDS, BANDS_AT, DATASET_OF, PIXELS, SPLITS, WAVELENGTH
from bigearth.upsampling.interpolation import interpolate

WHOLE_ARCHIVE = 590_326  # patches of BigEarthNet v1.0
PAPER_RANKS = 72
_FILES_PER_PATCH = 12
_BYTES_PER_PATCH = 188e3  # of the twelve files
# Assumed storage: bytes per second, and files that are opened per second.
_STORAGES = {"one disk array": (1e9, 5e3), "parallel file system": (20e9, 50e3), "flash cache": (200e9, 500e3)}
_PARAMETERS = "exclude splits nomenclature upsampling seed tiles weights distribution whole_tiles".split()


class CubeSurvey:
    """The cube that notebook 02 writes.

    Parameters
    ----------
    parameters : mapping
        The notebook's parameters.
    archive : Path
        Folder or file.

    Attributes
    ----------
    rows : DataFrame
        The rows of the cube, as `selection.select` returns them.
    record : dict
        Choices and counts of the selection.
    is_miniature : bool
        Whether the archive is a generated one.
    request : dict
        The arguments of `preprocessing.write_cube`.
    """

    def __init__(self, parameters: Mapping[str, Any], archive: Path):
        self.path = resolve(parameters["cube"])
        self.archive = archive
        self.workdir = resolve(parameters["workdir"])
        self.request = {name: parameters[name] for name in _PARAMETERS}
        self.request |= {"cube": str(self.path), "archive": str(archive), "workdir": str(parameters["workdir"])}
        index = read_index(archive, self.workdir, pixels=not parameters["tiles"])
        selected = {name: parameters[name] for name in ("exclude", "splits", "nomenclature", "seed")}
        self.rows, self.record = select(index, **selected)
        self.is_miniature = index.attrs["miniature"]

    def tabulate_selection(self) -> pd.DataFrame:
        """Tabulate how many patches are left out and why: DataFrame [patches, number]."""
        record = self.record
        steps = [("in the archive", record["patches"])]
        if "absent" in record:
            steps.append(("of its metadata, but not there", record["absent"]))
        if "unlisted" in record:
            steps.append(("there, but not in its metadata (flagged)", record["unlisted"]))
        for name, count in record["exclude"].items():
            steps.append((f"named by {name}", -count))
        reasons = {"excluded": "excluded", "without_label": "without a label", "without_split": "in no split"}
        for key, reason in reasons.items():
            steps.append((f"left out: {reason}", -record[key]))
        for name in SPLITS:
            steps.append((f"{name} ({record['splits']})", record[name]))
        steps.append(("in the cube", record["rows"]))
        return pd.DataFrame(steps, columns=["patches", "number"])

    @property
    def split_is_random(self) -> bool:
        """Whether the split is drawn at random, so that neighbours stand on both sides."""
        return self.record["splits"] == RANDOM_SPLITS

    def show_writing(self) -> AbstractContextManager[Callable[[], None]]:
        """Show how many rows are written; yields what a group's ``run`` takes as ``watch``."""
        return show_writing(self.path, len(self.rows))

    def tabulate_ranks(self, ranks: Sequence[dict]) -> pd.DataFrame:
        """Tabulate what each rank did.

        Parameters
        ----------
        ranks : list of dict
            What `preprocessing.write_cube` returned on each rank.

        Returns
        -------
        DataFrame [rank, ranks, patches, found, seconds, rows, kept, patches/s]
            See `preprocessing.write_cube`.
        """
        table = pd.DataFrame(ranks)
        table["patches/s"] = table.patches / table.seconds.clip(lower=1e-9)
        return table

    def open(self) -> Cube:
        """Open the written cube."""
        return open_cube(self.path)

    def tabulate_datasets(self) -> pd.DataFrame:
        """Tabulate what the file holds, axes apart: DataFrame [dataset, shape, type, MB, checksum]."""
        rows = []
        with h5py.File(self.path) as file:
            for key, dataset in file.items():
                if "checksum" not in dataset.attrs:
                    continue  # a name or a number along an axis
                kind = "string" if dataset.dtype.kind in "SO" else str(dataset.dtype)
                shape = " x ".join(map(str, dataset.shape))
                size = dataset.id.get_storage_size() / 1e6
                rows.append((key, shape, kind, size, dataset.attrs["checksum"]))
        return pd.DataFrame(rows, columns=["dataset", "shape", "type", "MB", "checksum"])

    def verify(self) -> list[str]:
        """Verify the cube, and a sample of its rows against the archive; returns what was found right."""
        return check(self.path, self.archive, self.workdir)[1:]

    def records_selection(self) -> bool:
        """Whether the cube records the choices and counts of this notebook."""
        return json.loads(self.open().attributes["selection"]) == self.record

    def show_bands(self, row: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Show bands of the three resolutions of a patch: name, native image, image interpolated to 10 m."""
        cube = self.open()
        shown = []
        for metres, band in ((10, "B04"), (20, "B8A"), (20, "B11"), (60, "B09")):
            native = np.asarray(cube.array(DATASET_OF[metres])[row])
            upsampled = interpolate(native, PIXELS[10])
            column = BANDS_AT[metres].index(band)
            shown.append((band, native[..., column], upsampled[..., column]))
        return shown

    def compare_cutting(self) -> CuttingComparison | None:
        """Compare patches of whole tiles at 10 m with patches that are cut out first; None where the cube has none."""
        return compare_cutting(self.open(), self.request["weights"])

    def tabulate_bands(self) -> pd.DataFrame:
        """Tabulate the statistics of the training rows: DataFrame [band, wavelength, mean, std]."""
        cube = self.open()
        rows = [(band, WAVELENGTH[band], cube.mean[band], cube.std[band]) for band in BANDS]
        return pd.DataFrame(rows, columns=["band", "wavelength", "mean", "std"])

    def estimate_time(self, patches_per_second: float) -> pd.DataFrame:
        """Estimate how long the whole archive takes on the paper's number of ranks.

        Parameters
        ----------
        patches_per_second : float
            Of one rank, as measured.

        Returns
        -------
        DataFrame
            A row per kind of storage: what it can do (assumed), the times that processors, bandwidth and opening files
            need (s), the longest of them (min), and which one it is.
        """
        cube_bytes = self.path.stat().st_size / len(self.rows)
        processors = WHOLE_ARCHIVE / patches_per_second / PAPER_RANKS
        rows = []
        for name, (bandwidth, opens) in _STORAGES.items():
            limits = {
                "processors (s)": processors,
                "bandwidth (s)": WHOLE_ARCHIVE * (_BYTES_PER_PATCH + cube_bytes) / bandwidth,
                "opening files (s)": WHOLE_ARCHIVE * _FILES_PER_PATCH / opens,
            }
            longest = max(limits, key=lambda limit: limits[limit])
            row = {"storage (assumed)": name, "GB/s": bandwidth / 1e9, "opens/s": opens, **limits}
            row |= {"expected (min)": limits[longest] / 60, "limited by": longest.removesuffix(" (s)")}
            rows.append(row)
        return pd.DataFrame(rows)

    def compare_shares(self) -> pd.DataFrame:
        """Compare both distributions of the archive's real 125 products over ranks; see `compare_algorithms`."""
        return compare_algorithms(list_paper_products().patches.to_numpy())
