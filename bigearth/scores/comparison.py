"""Several training runs scored on the same patches, side by side and beside the reference paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.labels import LABELS_19, LABELS_43
from bigearth.scores import calibration, metrics, mistakes, paper
from bigearth.scores.places import read_places, score_places
from bigearth.scores.predictions import Predictions, choose_splits, read_runs

INDEX = "patches.parquet"
# of samples and seed
HIGHEST_NUMBER = 1_000_000
# in the name of every patch of BigEarthNet v2.0: its products were processed anew
V2_BASELINE = "_N9999_"


@dataclass(frozen=True)
class Comparison:
    """Runs that were scored on the same split.

    Attributes
    ----------
    workdir : Path
    status : DataFrame
        One row per run that was asked for: what it was trained on, and why it is left out if it is.
    scored, chosen_on : str
        Splits: the one that is scored, the one that thresholds are chosen on.
    predictions : dict {run: Predictions}
        Of all splits.
    test : dict {run: Predictions}
        Of the scored split.
    decided : dict {run: uint8 array (N, C)}
        Labels assigned at a threshold of 0.5.
    resampled : dict {run: Resampled}
        Bootstrap samples; the same draws for every run.
    """

    workdir: Path
    status: pd.DataFrame
    scored: str
    chosen_on: str
    predictions: dict[str, Predictions]
    test: dict[str, Predictions]
    decided: dict[str, np.ndarray]
    resampled: dict[str, metrics.Resampled]

    @property
    def first(self) -> Predictions:
        """Predictions of the first run on the scored split; the classes of all others are the same."""
        return next(iter(self.test.values()))

    @property
    def labels(self) -> list[str]:
        """Names of the classes, in column order."""
        return list(self.first.labels)

    @property
    def support(self) -> pd.Series:
        """Scored patches that carry each label."""
        return pd.Series(self.first.truth.sum(axis=0, dtype=int), self.labels)

    @property
    def models(self) -> dict[str, str]:
        """Name of each run's model, such as "rgb"."""
        return {run: test.model for run, test in self.test.items()}

    @property
    def has_classes_of_paper(self) -> bool:
        """Whether the scored classes are the paper's 43."""
        return set(self.labels) == set(LABELS_43)

    @property
    def is_of_v2(self) -> bool:
        """Whether the scored patches are BigEarthNet v2.0's, with its 19 classes."""
        are_of_v2 = all(V2_BASELINE in str(name) for name in self.first.patch)
        return are_of_v2 and set(self.labels) == set(LABELS_19)

    @property
    def is_miniature(self) -> bool:
        """Whether a run was trained on the miniature."""
        return any(predictions.miniature for predictions in self.predictions.values())

    @property
    def warning(self) -> str:
        """Warning about the splits; empty if there is none."""
        if (self.scored, self.chosen_on) == ("test", "validation"):
            return ""
        return (
            f"> **Not a test**: a split is empty, so the scores are of the {self.scored} split and the thresholds come "
            f"from the {self.chosen_on} split. They measure memory, not skill."
        )

    @cached_property
    def overall(self) -> pd.DataFrame:
        """All averages of precision, recall and F1 of each run beside Table 2.

        Columns ``run, average, measure, value, low, high, paper, difference``. The paper prints one number per model
        without naming its average, so it stands beside all four; beside other than its 43 classes it does not stand.
        """
        tables = []
        for run, test in self.test.items():
            table = metrics.score_overall(test.truth, self.decided[run], self.resampled[run])
            table.insert(0, "run", run)
            tables.append(table)
        overall = pd.concat(tables, ignore_index=True)
        printed = paper.read_table2().stack().to_dict() if self.has_classes_of_paper else {}
        models = self.models
        keys = zip(overall["run"].map(models), overall["measure"], strict=True)
        overall["paper"] = [printed.get(key, np.nan) for key in keys]
        overall["difference"] = overall["value"] - overall["paper"]
        return overall

    @property
    def micro_f1(self) -> pd.Series:
        """Micro F1 of each run."""
        chosen = (self.overall["average"] == "micro") & (self.overall["measure"] == "f1")
        return self.overall[chosen].set_index("run")["value"]

    @property
    def best(self) -> str:
        """The run with the highest micro F1."""
        return str(self.micro_f1.idxmax())

    def compare_with_best(self) -> pd.DataFrame:
        """Measure the lead of the best run over each other run that was scored on the same patches.

        Returns
        -------
        DataFrame
            ``run, behind the best by, low, high`` (95 % of the paired bootstrap samples), ``beyond chance``: whether
            the interval excludes 0, so that the choice of patches does not explain the difference.
        """
        best = self.best
        rows = []
        for run in self.test:
            same_patches = np.array_equal(self.test[run].patch, self.test[best].patch)
            if run == best or not same_patches:
                continue
            drawn = self._draw_f1(best, "micro") - self._draw_f1(run, "micro")
            low, high = np.quantile(drawn, metrics.INTERVAL)
            behind = self.micro_f1[best] - self.micro_f1[run]
            beyond = "yes" if low > 0 else "no"
            rows.append({"run": run, "behind the best by": behind, "low": low, "high": high, "beyond chance": beyond})
        return pd.DataFrame(rows, columns=["run", "behind the best by", "low", "high", "beyond chance"])

    def _draw_f1(self, run: str, average: str | None) -> np.ndarray:
        """F1 of each bootstrap sample."""
        return self.resampled[run].score(average)[2]

    def find_floor(self) -> tuple[list[str], float]:
        """Labels of the best constant prediction, chosen like thresholds, and its micro F1 on the scored split."""
        known = next(iter(self.predictions.values())).select(self.chosen_on)
        constant = metrics.choose_constant_labels(known.truth)
        truth = self.first.truth
        counts = metrics.count_decisions(truth, np.broadcast_to(constant, truth.shape))
        given = [label for label, chosen in zip(self.labels, constant, strict=True) if chosen]
        return given, float(metrics.precision_recall_f1(counts, "micro")[2])

    def compare_with_v2(self) -> pd.DataFrame:
        """Set each run beside `bigearth.scores.paper.read_v2`; empty where other patches were scored.

        Columns ``run, measure, average, value, published, published for``.
        """
        tables = []
        for run, test in self.test.items() if self.is_of_v2 else ():
            values = self.overall[self.overall["run"] == run].set_index(["measure", "average"])["value"]
            precision = {
                average: metrics.average_precision(test.truth, test.score, average) for average in ("macro", "micro")
            }
            values = pd.concat([values, pd.concat({"average precision": pd.Series(precision)})])
            tables.append(paper.set_beside_v2(run, values))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def describe_odd_classes(self) -> str:
        """What the generated landscape turns round of the paper's findings; empty for a real archive."""
        return paper.describe_odd_classes(self.class_f1) if self.is_miniature else ""

    @cached_property
    def per_class(self) -> pd.DataFrame:
        """Scores per class: ``run, label, support, measure, value, low, high``; NaN for a class without support."""
        tables = []
        for run, test in self.test.items():
            table = metrics.score_classes(test.truth, self.decided[run], self.labels, self.resampled[run])
            table.insert(0, "run", run)
            tables.append(table)
        per_class = pd.concat(tables, ignore_index=True)
        per_class.loc[per_class["support"] == 0, ["value", "low", "high"]] = np.nan
        return per_class

    @property
    def class_f1(self) -> pd.DataFrame:
        """F1 per class: the rows of `per_class` with the measure F1."""
        return self.per_class[self.per_class["measure"] == "f1"]

    @property
    def paired(self) -> dict[str, str]:
        """The first run of each model that the paper has: {model: run}."""
        found: dict[str, str] = {}
        for run, model in self.models.items():
            if model in paper.MODELS:
                found.setdefault(model, run)
        return found

    def compare_classes(self) -> pd.DataFrame:
        """F1 of every class beside Table 3, sorted by support.

        Returns
        -------
        DataFrame
            ``label, support, support, paper``, and for each model of the paper that was run its F1, the paper's and the
            difference.
        """
        printed = paper.read_table3().reindex(self.labels)
        table = pd.DataFrame({"support": self.support})
        table["support, paper"] = printed["support"].astype("Int64")
        for model, run in self.paired.items():
            table[model] = self._read_class_f1(run)
            table[f"{model}, paper"] = printed[model]
            table[f"{model}, difference"] = table[model] - table[f"{model}, paper"]
        table = table.sort_values("support", ascending=False, kind="stable")
        return table.rename_axis("label").reset_index()

    def _read_class_f1(self, run: str) -> pd.Series:
        return self.class_f1[self.class_f1["run"] == run].set_index("label")["value"]

    def compare_bands(self) -> pd.DataFrame:
        """Compute the gain in F1 of each class by twelve bands: ``label, gain, low, high, paper``, sorted by gain.

        Empty unless an RGB and a multispectral run were scored on the same patches.
        """
        columns = ["label", "gain", "low", "high", "paper"]
        pair = self.paired
        if len(pair) < 2 or not np.array_equal(self.test[pair["rgb"]].patch, self.test[pair["multispectral"]].patch):
            return pd.DataFrame(columns=columns)
        drawn = self._draw_f1(pair["multispectral"], None) - self._draw_f1(pair["rgb"], None)
        low, high = np.quantile(drawn, metrics.INTERVAL, axis=0)
        gains = pd.DataFrame({"low": low, "high": high}, index=self.labels)
        gains["gain"] = self._read_class_f1(pair["multispectral"]) - self._read_class_f1(pair["rgb"])
        printed = paper.read_table3()
        gains["paper"] = printed["multispectral"] - printed["rgb"]
        gains = gains[self.support > 0].sort_values("gain")
        return gains.rename_axis("label").reset_index()[columns]

    def choose_thresholds(self) -> pd.DataFrame:
        """Per class the threshold with the best F1 on the split that thresholds are chosen on: ``label``, then runs."""
        thresholds = pd.DataFrame({"label": self.labels})
        for run in self.test:
            known = self.predictions[run].select(self.chosen_on)
            thresholds[run] = metrics.choose_thresholds(known.truth, known.score)
        return thresholds

    def compare_thresholds(self, thresholds: pd.DataFrame) -> pd.DataFrame:
        """F1 at one threshold per class beside F1 at 0.5, and average precision, which needs no threshold.

        Parameters
        ----------
        thresholds : DataFrame
            Of `choose_thresholds`.
        """
        tables = []
        for run, test in self.test.items():
            table = metrics.compare_thresholds(test.truth, test.score, thresholds[run].to_numpy())
            table.insert(0, "run", run)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def measure_reliability(self) -> pd.DataFrame:
        """Scores beside frequencies on the scored split: ``run``, then `bigearth.scores.calibration`'s columns."""
        tables = []
        for run, test in self.test.items():
            table = calibration.measure_reliability(test.truth, test.score)
            table.insert(0, "run", run)
            table["calibration error"] = calibration.measure_calibration_error(table)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def count_cooccurrence(self, run: str, most: int = 20) -> pd.DataFrame:
        """`bigearth.scores.mistakes.count_cooccurrence` among the ``most`` frequent labels."""
        frequent = self.support[self.support > 0].sort_values(ascending=False, kind="stable").index[:most]
        columns = [self.labels.index(label) for label in frequent]
        truth, decided = self.test[run].truth[:, columns], self.decided[run][:, columns]
        return mistakes.count_cooccurrence(truth, decided, list(frequent))

    def list_mistakes(self, run: str) -> pd.DataFrame:
        """The most confident mistakes of a run; see `bigearth.scores.mistakes.list_mistakes`."""
        return mistakes.list_mistakes(self.test[run], self.decided[run])

    def read_patches(self, cube: Path | str, patches: Sequence[str]) -> tuple[dict[str, np.ndarray], str]:
        """The 10 m bands of scored patches; see `bigearth.scores.mistakes.read_patches`."""
        return mistakes.read_patches(cube, self.scored, patches)

    def score_places(self) -> pd.DataFrame:
        """Micro F1 of each run by country, or by Sentinel-2 tile where the archive names no country.

        Returns
        -------
        DataFrame
            ``run, unit`` ("country" or "tile"), ``place, patches, micro_f1``; empty where the index of the archive is
            not in ``workdir``, or names none of the patches.
        """
        place_of = read_places(self.workdir / INDEX)
        tables = [pd.DataFrame(columns=["run", "unit", "place", "patches", "micro_f1"])]
        for run, test in self.test.items():
            table = score_places(test, self.decided[run], place_of)
            table.insert(0, "run", run)
            if len(table):
                tables.append(table)
        return pd.concat(tables[1:] or tables, ignore_index=True)

    def average_repeats(self) -> pd.DataFrame:
        """Mean F1 over runs that differ in their seed only (names that end in ``-s2`` and so on).

        Returns
        -------
        DataFrame
            ``base`` (the name without its seed), ``model, average, mean_f1, deviation, repeats``.
        """
        f1 = self.overall[self.overall["measure"] == "f1"].copy()
        f1["base"] = f1["run"].str.replace(r"-s\d+$", "", regex=True)
        f1["model"] = f1["run"].map(self.models)
        groups = f1.groupby(["base", "model", "average"], sort=False)["value"]
        return groups.agg(mean_f1="mean", deviation="std", repeats="count").reset_index()


def compare_runs(
    workdir: Path | str,
    runs: Sequence[str],
    samples: int = 1000,
    seed: int = 1,
    allow_empty_splits: bool = False,
) -> Comparison:
    """Read the predictions of several runs, assign labels, and draw bootstrap samples.

    Parameters
    ----------
    workdir : path
        Predictions are in ``runs/<run>/predictions.h5`` below it.
    runs : sequence of str
    samples, seed : int
        Bootstrap samples of the scored patches, and the seed of the draws.
    allow_empty_splits : bool
        Score training rows where the validation or the test split is empty.

    Raises
    ------
    InputError
        A number is out of range, no run has usable predictions, or a split is empty.
    """
    for name, value, lowest in (("samples", samples, 1), ("seed", seed, 0)):
        if not lowest <= value <= HIGHEST_NUMBER:
            raise InputError(f"{name} is {value}: give a whole number from {lowest} to {HIGHEST_NUMBER:,}")
    workdir = resolve(workdir)
    found, status = read_runs(workdir, runs)
    first = next(iter(found.values()))
    scored, chosen_on = choose_splits(first, allow_empty_splits)
    test, decided, resampled = {}, {}, {}
    for run, predictions in found.items():
        selected = predictions.select(scored)
        if not len(selected.patch):
            status.loc[status["run"] == run, "status"] = f"left out: no patches in its {scored} split"
            continue
        test[run] = selected
        decided[run] = metrics.assign_labels(selected.score)
        resampled[run] = metrics.resample_patches(selected.truth, decided[run], samples, seed)
    predictions_of_tested = {run: found[run] for run in test}
    return Comparison(workdir, status, scored, chosen_on, predictions_of_tested, test, decided, resampled)
