"""A survey of an archive: where its patches are, which labels they carry, how close training and test patches are."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from osgeo import osr
from scipy.spatial import cKDTree

from bigearth.archive.index import read_index
from bigearth.archive.lists import count_unknown, find_list, read_names, warn_of_unknown
from bigearth.archive.sample import Sample
from bigearth.archive.source import open_archive
from bigearth.archive.splitting import hash_names, split_at_random
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.labels import COLOURS, binarise, label_names
from bigearth.patch import PATCH_METRES

osr.UseExceptions()

LONGITUDE_LATITUDE = 4326  # EPSG code
ZONE_DISTANCE = 1e8  # m between the projections' coordinates, so that patches of two never look close
# Upper limits of the distance between a test patch and its nearest training patch (their upper left corners), in km.
DISTANCES = {"touching": 1.3, "at the corner": 1.8, "up to 5 km": 5, "up to 20 km": 20, "farther": np.inf}
# What section 3.1 of Sedona et al. 2019 and the official lists say of BigEarthNet v1.0.
PAPER_PATCHES = 590_326
PAPER_TILES = 125
PAPER_CLASSES = 43
PAPER_FEWEST_LABELS = 1
PAPER_MOST_LABELS = 12
PAPER_FEW_LABELS_PERCENT = 95
PAPER_KEPT = 519_226
LISTED_SNOW_OR_CLOUD = 70_987
FEW_LABELS = 5  # "95 % of the patches have at most 5 labels"


class Survey:
    """The patches of an archive, and those that remain without the excluded ones.

    Parameters
    ----------
    archive : Path or str
        A v1.0 or v2.0 archive: its folder, or its ``.tar``, ``.tar.gz`` or ``.tar.zst``.
    workdir : Path or str
        Scratch folder; the index of the archive is kept there.
    exclude : list of str
        CSV files of patch names to leave out; a bare file name is looked for in the archive's ``lists/``.
    seed : int
        Of the sample of patches and of the random split.

    Attributes
    ----------
    index : pandas.DataFrame
        All patches, as `read_index` returns them.
    rows : pandas.DataFrame
        The patches that remain.
    is_miniature : bool
    title : str
        "miniature" or "BigEarthNet v1.0", for the labels of figures.
    colours : dict
        The colour of every label in CORINE's legend.

    Raises
    ------
    InputError
        As `read_index`; a list cannot be read or names no patch of the archive; no patch remains.
    """

    def __init__(self, archive: Path | str, workdir: Path | str, exclude: list[str], seed: int) -> None:
        self.index = read_index(archive, workdir, exclude=exclude)
        self.archive = open_archive(archive, workdir)
        self.is_miniature = self.index.attrs["miniature"]
        self.seed = seed
        self.colours = COLOURS
        version = self.index.attrs["version"]
        self.names = label_names(43 if version == 1 else 19)
        self.title = "miniature" if self.is_miniature else f"BigEarthNet v{version}.0"
        excluded = _read_excluded(exclude, self.archive.tables, {*self.index.patch, *self.index.attrs["damaged"]})
        self.rows = self.index[~self.index.patch.isin(excluded)].reset_index(drop=True)
        if self.rows.empty:
            raise InputError(f"exclude: the lists name all {len(self.index):,} patches; leave out a list")

    @cached_property
    def truth(self) -> np.ndarray:
        """The labels of the remaining patches: patches x classes, uint8, 0 or 1."""
        return binarise(self.rows.labels.tolist(), self.names)

    def describe(self) -> pd.DataFrame:
        """Describe the archive in a few numbers: columns ``what`` and ``value``."""
        per_tile = self.index.tile.value_counts()
        facts = {
            "patches": f"{len(self.index):,}",
            "left out by the lists in exclude": f"{len(self.index) - len(self.rows):,}",
            "remaining": f"{len(self.rows):,}",
            "tiles": f"{len(per_tile):,}",
            "patches per tile": f"{per_tile.min():,} to {per_tile.max():,}",
            "first day": f"{self.index.date.min():%d %B %Y}",
            "last day": f"{self.index.date.max():%d %B %Y}",
            "countries": self.index.country.nunique() or None,  # v1.0 does not name them
        }
        if self.archive.verified is not None:
            facts["contents verified by"] = self.archive.verified or "nothing"
        return pd.DataFrame(facts.items(), columns=["what", "value"])

    def show_rows(self, number: int = 4) -> pd.DataFrame:
        """Some rows of the index, for reading."""
        chosen = self.index.sample(min(number, len(self.index)), random_state=self.seed)
        return chosen.drop(columns=["folder", "tile_source"])

    def locate_patches(self) -> pd.DataFrame:
        """Find longitude and latitude of every patch's centre.

        Returns
        -------
        pandas.DataFrame
            One row per patch of the index: patch, longitude, latitude (degrees), tile, split, x, y (upper left corner,
            m). Where the archive names no split, ``split`` is random, and "none" for patches that are left out.
        """
        centres = []
        for _, patches in self.index.groupby("epsg"):
            centres.append(_project(patches))
        places = self.index[["patch", "tile", "x", "y", "split"]].join(pd.concat(centres))
        if not self.has_split:
            drawn = split_at_random(self.rows.patch, self.seed)
            drawn.index = self.rows.patch
            places["split"] = places.patch.map(drawn)
        places["split"] = places.split.fillna("none")
        return places[["patch", "longitude", "latitude", "tile", "split", "x", "y"]]

    @property
    def has_split(self) -> bool:
        """Whether the archive names a split of its own."""
        return bool(self.index.split.notna().any())

    def count_labels(self) -> pd.DataFrame:
        """Count the patches with each label, the rarest first.

        Returns
        -------
        pandas.DataFrame
            label, patches, share, and the support in the paper's test split (Table 3; NA where it names none).
        """
        counts = pd.DataFrame({"label": self.names, "patches": self.truth.sum(axis=0, dtype=int)})
        counts["share"] = counts.patches / len(self.rows)
        published = pd.read_csv(ROOT / "results/paper/table3_per_class_f1.csv").set_index("class").support
        counts["paper's test patches"] = counts.label.map(published).astype("Int64")
        return counts.sort_values("patches", kind="stable", ignore_index=True)

    def compare_with_paper(self) -> pd.DataFrame:
        """Set the paper's figures (section 3.1) beside the same figures of this archive.

        Returns
        -------
        pandas.DataFrame
            what, source, published, here (NA where the archive does not say), difference.
        """
        per_patch = self.index.labels.map(len)
        few_labels = 100 * (per_patch <= FEW_LABELS).mean()
        snow_or_cloud = None
        if self.index.snow.notna().any():
            snow = self.index.snow.fillna(False)
            cloud = self.index.cloud.fillna(False)
            snow_or_cloud = (snow | cloud).sum()
        rows = [
            ("patches", "paper", PAPER_PATCHES, len(self.index)),
            ("tiles, each on one date", "paper", PAPER_TILES, self.index.tile_source.nunique()),
            ("classes", "paper", PAPER_CLASSES, self.index.labels.explode().nunique()),
            ("fewest labels of a patch", "paper", PAPER_FEWEST_LABELS, per_patch.min()),
            ("most labels of a patch", "paper", PAPER_MOST_LABELS, per_patch.max()),
            (f"patches with at most {FEW_LABELS} labels (%)", "paper", PAPER_FEW_LABELS_PERCENT, round(few_labels, 1)),
            ("patches without the excluded ones", "paper", PAPER_KEPT, len(self.rows)),
            ("patches with snow or cloud", "official lists", LISTED_SNOW_OR_CLOUD, snow_or_cloud),
        ]
        table = pd.DataFrame(rows, columns=["what", "source", "published", "here"])
        table["here"] = table.here.astype("Float64")
        table["difference"] = table.here - table.published
        return table

    def count_labels_per_patch(self) -> pd.DataFrame:
        """Count the patches with 1, 2, ... 12 labels: columns ``labels`` and ``patches``."""
        counts = self.index.labels.map(len).value_counts().reindex(range(1, PAPER_MOST_LABELS + 1), fill_value=0)
        return pd.DataFrame({"labels": counts.index, "patches": counts.to_numpy()})

    def share_labels(self, classes: int = 20) -> pd.DataFrame:
        """Find which labels go together, among the most frequent classes.

        Returns
        -------
        pandas.DataFrame
            Square: of the patches with a row's label, the share that carries the column's label too.
        """
        both = self.truth.T.astype(float) @ self.truth
        with_label = np.maximum(np.diag(both), 1)
        shares = pd.DataFrame(both / with_label[:, None], self.names, self.names)
        counts = self.count_labels()
        present = counts.label[counts.patches > 0]
        frequent = present[::-1][:classes]
        return shares.loc[frequent, frequent]

    def sample(self, per_class: int) -> Sample:
        """Read the pixels of up to ``per_class`` patches of each class, those with the fewest other labels first."""
        patches = self.rows[["patch", "folder"]].copy()
        patches["label"] = self.rows.labels
        patches["number"] = self.rows.labels.map(len)
        patches["hash"] = hash_names(self.rows.patch, f"sample {self.seed}")
        purest_first = patches.sort_values(["number", "hash"])
        labels = purest_first[["patch", "folder", "label"]].explode("label")
        chosen = labels.groupby("label").head(per_class)
        return Sample(self.archive, chosen, self.names)

    def list_flagged(self, number: int) -> pd.DataFrame:
        """Up to ``number`` patches under snow and under clouds each: patch, flag, date, folder; maybe none."""
        examples = []
        for flag in ("snow", "cloud"):
            is_flagged = self.index[flag].fillna(False)
            flagged = self.index[is_flagged].head(number)
            examples.append(flagged.assign(flag=flag))
        columns = ["patch", "flag", "date", "folder"]
        return pd.concat(examples, ignore_index=True)[columns]

    def measure_split_distances(self) -> pd.DataFrame:
        """Find how far each test patch is from the nearest training patch, in a random split and the archive's own.

        Returns
        -------
        pandas.DataFrame
            Rows: classes of distance, from "touching" to "farther". Columns: splits. Values: shares of test patches;
            a split without training or test patches has none.
        """
        splits = {"random 60/20/20": split_at_random(self.rows.patch, self.seed)}
        if self.has_split:
            splits["the archive's own"] = self.rows.split
        shares = {}
        for name, split in splits.items():
            distances = _measure_distances(self.rows, split)
            if len(distances):
                counts, _ = np.histogram(distances, [0, *DISTANCES.values()])
                shares[name] = counts / len(distances)
        return pd.DataFrame(shares, pd.Index(DISTANCES, name="nearest training patch"))


def _read_excluded(exclude: list[str], tables: Path, known: set[str]) -> set[str]:
    """Names on the lists; InputError if a list belongs to another archive, a warning if some of its names do."""
    excluded: set[str] = set()
    for path in exclude:
        names = set(read_names(find_list(path, tables)))
        if not names & known:
            raise InputError(f"exclude: {path} names {len(names):,} patches, none of them in {tables}; leave it out")
        warn_of_unknown(path, len(names), count_unknown(names, known), stacklevel=4)
        excluded |= names
    return excluded


def _project(patches: pd.DataFrame) -> pd.DataFrame:
    """Longitude and latitude of the centres of patches that share one projection."""
    source, target = osr.SpatialReference(), osr.SpatialReference()
    source.ImportFromEPSG(int(patches.epsg.iloc[0]))
    target.ImportFromEPSG(LONGITUDE_LATITUDE)
    target.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    half = PATCH_METRES / 2
    centres = np.column_stack([patches.x + half, patches.y - half])
    found = osr.CoordinateTransformation(source, target).TransformPoints(centres.tolist())
    return pd.DataFrame(np.array(found)[:, :2], patches.index, ["longitude", "latitude"])


def _measure_distances(rows: pd.DataFrame, split: pd.Series) -> np.ndarray:
    """Distance of each test patch to the nearest training patch in km; empty where either is missing."""
    corners = np.column_stack([rows.x + ZONE_DISTANCE * rows.epsg, rows.y]).astype(float)
    train = corners[(split == "train").to_numpy()]
    test = corners[(split == "test").to_numpy()]
    if not len(train) or not len(test):
        return np.array([])
    return cKDTree(train).query(test)[0] / 1000
