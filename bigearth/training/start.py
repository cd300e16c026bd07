"""A training as a notebook sees it: checked before workers start, started on them, read while and after it runs.

Needs no TensorFlow: that is imported where a worker trains, or where the finished network is loaded.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bigearth import tables
from bigearth.cube.reading import Cube, open_cube
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.patch import BANDS_10M, PIXELS
from bigearth.training import records
from bigearth.training.recipe import Recipe, Workload

if TYPE_CHECKING:
    from bigearth.archive.source import Archive, Bands

CLASSIFIED_PATCHES = 12  # of a folder, shown with their predictions
PART_NAMES = {
    "input_s": "input",
    "compute_s": "forward and backward",
    "allreduce_s": "all-reduce",
    "rest_s": "rest",
}


def train(
    run: str,
    workdir: Path | str,
    cube: Path | str,
    recipe: Recipe,
    prepare: Callable[[Path], None] | None = None,
) -> dict[str, Any]:
    """Start a training on a worker; parameters, result and errors as of `bigearth.training.loop.train`.

    Parameters
    ----------
    prepare : callable, optional
        Called first, on every worker, with the run's folder.
    """
    if prepare is not None:
        prepare(records.find_folder(workdir, run))
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras/keras.json says
    from bigearth.training import loop

    return loop.train(run, workdir, cube, recipe)


@dataclass(frozen=True)
class Training:
    """One training of a notebook.

    Attributes
    ----------
    run : str
    workdir, cube_path : Path
    recipe : Recipe
    patches : list of Path
        To classify in the end; empty: none.
    """

    run: str
    workdir: Path
    cube_path: Path
    recipe: Recipe
    patches: list[Path]

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any]) -> "Training":
        """Make a training of a notebook's parameters: run, workdir, cube, classify, and those of a `Recipe`.

        Raises
        ------
        InputError
            A value cannot be used, or ``classify`` holds no patch.
        """
        records.find_folder(values["workdir"], values["run"])
        return cls(
            run=values["run"],
            workdir=resolve(values["workdir"]),
            cube_path=resolve(values["cube"]),
            recipe=Recipe.from_parameters(values),
            patches=find_patches(values["classify"], resolve(values["workdir"])),
        )

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return records.find_folder(self.workdir, self.run)

    @property
    def cube(self) -> Cube:
        """The cube, opened."""
        return open_cube(self.cube_path)

    def check(self, workers: int) -> Workload:
        """Check all that can be known before a worker starts.

        Parameters
        ----------
        workers : int
            As many as there are at most; fewer train where there are fewer training patches.

        Raises
        ------
        InputError
            The recipe does not fit the cube or the workers, or an earlier run of this name was another one.
        """
        cube = self.cube
        workers = min(workers, max(1, len(cube.rows["train"])))
        workload = self.recipe.check(cube, workers)
        parameters = {"run": self.run, **self.recipe.as_dict(), "workers": workers}
        records.read_earlier(self.folder, parameters, records.describe_data(cube), self.cube_path)
        return workload

    def describe(self, workload: Workload) -> pd.DataFrame:
        """Describe what a step takes in: columns ``what`` and ``number``."""
        facts = {
            "training patches": len(self.cube.rows["train"]),
            "workers": workload.workers,
            "patches per worker and step": self.recipe.batch_size,
            "global batch": workload.global_batch,
            "steps per epoch": workload.steps,
            "patches of an epoch that fill no batch": workload.left_out,
            "kB read per patch": 2 * sum(np.prod(shape) for shape in self.recipe.inputs.values()) / 1000,
        }
        return pd.DataFrame(facts.items(), columns=["what", "number"])

    def list_learning_rates(self, workload: Workload) -> pd.DataFrame:
        """Learning rate of every step: columns ``epoch`` (0 at the start, a fraction within) and ``learning_rate``."""
        rates = self.recipe.learning_rates(workload.steps, workload.workers).ravel()
        epochs = (np.arange(rates.size) + 0.5) / workload.steps
        return pd.DataFrame({"epoch": epochs, "learning_rate": rates})

    def run_on(self, group: Any, watch: Callable[[], None] | None = None) -> list[dict[str, Any]]:
        """Train on a group of workers (`bigearth.cluster.engines.Group`); their results in rank order."""
        return group.run(
            train, watch=watch, run=self.run, workdir=str(self.workdir), cube=str(self.cube_path), recipe=self.recipe
        )

    def follow(self, draw: Callable[[pd.DataFrame], Any]) -> AbstractContextManager[Callable[[], None]]:
        """Show the training while it runs, its curve drawn by ``draw(history)``; see `bigearth.training.follow`.

        Yields what `run_on` takes as ``watch``.
        """
        from bigearth.training.follow import follow  # workers need no figures

        return follow(self.folder, self.read_history, draw)

    def read_history(self) -> pd.DataFrame:
        """Read ``history.csv``; empty where no epoch is finished."""
        path = self.folder / "history.csv"
        if not path.exists():
            return pd.DataFrame(columns=list(records.HISTORY))
        return tables.read_csv(path, records.HISTORY, "history")

    def summarise_steps(self) -> pd.DataFrame:
        """Median time of each part of a step, in ms, and images per second: one row per rank.

        The first epoch, in which TensorFlow traces the step, is left out where there are others.
        """
        timings = tables.read_csv(self.folder / "timings.csv", records.TIMINGS, "timings")
        timings["rest_s"] = timings["step_s"] - timings[list(records.TIMED_PARTS)].sum(axis=1)
        if timings["epoch"].max() > 1:
            timings = timings[timings["epoch"] > 1]
        ranks = timings.groupby("rank")
        table = 1000 * ranks[list(PART_NAMES)].median().rename(columns=PART_NAMES)
        table["images/s"] = self.recipe.batch_size / ranks["step_s"].median()
        return table.reset_index()

    def describe_network(self) -> pd.DataFrame:
        """Describe the trained network's stages: columns stage, layers, output, parameters."""
        hide_gpus()
        from bigearth.training import classify, network

        return pd.DataFrame(network.list_stages(classify.load_model(self.folder)))

    def classify(self) -> tuple[pd.DataFrame, np.ndarray]:
        """Classify the patches; see `bigearth.training.classify.predict_patches`.

        Empty where there are none, or where the network wants bands that DSen2 made: stored patches lack them.
        """
        if not self.patches or self.recipe.upsampling == "dsen2":
            return pd.DataFrame(), np.zeros((0, PIXELS[10], PIXELS[10], len(BANDS_10M)), np.uint16)
        hide_gpus()
        from bigearth.training import classify

        source = find_source(self.patches, self.workdir)
        return classify.predict_patches(self.folder, self.patches, source=source)

    def check_files(self, results: list[dict[str, Any]], workload: Workload) -> dict[str, bool]:
        """Check what the finished run has left: name of each check, and whether it passed."""
        history = self.read_history()
        losses = history[["loss", "val_loss"]].to_numpy(float)
        written = ("predictions.h5", "model.keras", "provenance.json")
        return {
            "every epoch is in the history": list(history["epoch"]) == list(range(1, self.recipe.epochs + 1)),
            "losses are finite": bool(np.isfinite(losses).all()),
            "F1 lies between 0 and 1": bool(history["val_f1"].between(0, 1).all()),
            "every epoch saw all steps": bool((history["images"] == workload.steps * workload.global_batch).all()),
            "every worker ended with the same weights": len({result["checksum"] for result in results}) == 1,
            "every rank was timed": set(self.summarise_steps()["rank"]) == set(range(workload.workers)),
            "all files are there": all((self.folder / name).exists() for name in written),
        }


def hide_gpus() -> None:
    """Keep this process' TensorFlow on the cores, since the workers have the GPUs; without its start-up log."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras/keras.json says
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")


def find_patches(folder: str | None, workdir: Path, most: int = CLASSIFIED_PATCHES) -> list[Path]:
    """Find the first patches of a folder or of an archive's file (those of None: none), to be classified in the end.

    Raises
    ------
    InputError
        The folder is missing or holds no patch.
    """
    if folder is None:
        return []
    source = resolve(folder)
    if source.is_file():
        archive = _open_file(source, workdir)
        return [source / patch for patch in archive.list_folders()[:most]]
    if not source.is_dir():
        raise InputError(
            f"classify is {folder!r}: there is no such folder; give a folder of patches, an archive, or None"
        )
    found = []
    for file in source.rglob("*_B02.tif"):
        if file.name.startswith("._"):
            continue
        found.append(file.parent)
        if len(found) == most:
            break
    if not found:
        raise InputError(f"classify is {folder!r}: it holds no patch; give a folder of patches, or None")
    return sorted(found)


def find_source(patches: list[Path], workdir: Path) -> "Bands":
    """Open what the patches are read from: the archive's file that their paths lead through, or the disk."""
    from bigearth.archive.folders import BandFiles

    for parent in patches[0].parents if patches else ():
        if parent.is_file():
            return _open_file(parent, workdir)
    return BandFiles()


def _open_file(path: Path, workdir: Path) -> "Archive":
    from bigearth.archive.source import open_archive  # needs GDAL, which a training does without

    return open_archive(path, workdir)
