"""The checks of notebook 00 on a new site: workers, their all-reduce, a cube, a training, a killed worker."""

import os
import signal
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from bigearth.cluster.failures import WorkerError
from bigearth.cube import preprocessing
from bigearth.cube.reading import open_cube
from bigearth.files import resolve
from bigearth.training import records, start
from bigearth.training.recipe import Recipe

RESNET50_BYTES = 4 * 25_600_000  # gradients of the paper's network in float32: what every step adds up
LONGEST_NOTICE = 120  # s from a worker's death until the error must reach the notebook
LONGEST_ALLREDUCE = {"GPU": 1, "cores": 10}  # s; a step takes a third of a second on a GPU, seconds on cores
GPU_VARIABLES = ("SLURM_JOB_GPUS", "SLURM_GPUS_PER_NODE", "SLURM_GPUS")  # set in a job that asked for GPUs


class Acceptance:
    """The checks of a site, one after the other; each adds a line to the verdict.

    Parameters
    ----------
    workdir : path
        Scratch folder that all nodes see.
    archive : path
        The generated archive.
    epochs : int
        Of the training; a worker is killed after the first.
    """

    def __init__(self, workdir: Path | str, archive: Path | str, epochs: int) -> None:
        self.workdir = resolve(workdir)
        self.archive = Path(archive)
        self.cube = self.workdir / f"cube-of-{self.archive.name}.h5"
        self.recipe = Recipe(width=8, epochs=epochs, batch_size=4)
        self.run = f"acceptance-{datetime.now():%Y%m%d-%H%M%S}"  # a new one every time
        self.places = pd.DataFrame()
        self.verdict: list[dict[str, Any]] = []
        self._began = time.time()

    def check_workers(self, group: Any) -> pd.DataFrame:
        """Check that the workers are one job, and that each has a GPU of its own or none has one.

        Returns
        -------
        DataFrame
            One row per worker; see `describe_place`.
        """
        self.places = pd.DataFrame(group.run(describe_place))
        connected = time.time() - self._began
        count, nodes = len(self.places), self.places["node"].nunique()
        is_one_job = self.places["rank"].tolist() == list(range(count)) and self.places["ranks"].eq(count).all()
        found = f"{count} ranks on {nodes} node{'s' if nodes > 1 else ''} after {connected:.0f} s"
        self._add("workers", is_one_job, found, "see slurm/README.md: mpi, interface")
        self._check_gpus()
        return self.places

    def _check_gpus(self) -> None:
        asked = any(os.environ.get(name) for name in GPU_VARIABLES)
        remedy = "gpus_per_task in the study, gpus in the site's profile"
        gpus = self.places["gpus"]
        if gpus.eq(0).all():
            found = "none, though the job asked for some" if asked else "none: workers use their cores"
            self._add("GPUs", not asked, found, remedy)
        elif gpus.eq(1).all() and not self.places.duplicated(["node", "visible"]).any():
            self._add("GPUs", True, "one per rank", remedy)
        else:
            self._add("GPUs", False, "shared", remedy)

    def check_allreduce(self, group: Any) -> None:
        """Check how long the workers take to add up the gradients of ResNet-50."""
        remedy = "interface in the site's profile; NCCL_DEBUG=INFO says which network is used"
        if len(self.places) == 1:
            self._add("all-reduce", True, "one worker: none", remedy)
            return
        seconds = max(group.run(time_allreduce))
        limit = LONGEST_ALLREDUCE["GPU" if self.places["gpus"].any() else "cores"]
        rate = RESNET50_BYTES / seconds / 1e9
        found = f"{RESNET50_BYTES / 1e6:.0f} MB in {seconds:.2f} s, {rate:.2f} GB/s"
        self._add("all-reduce", seconds < limit, found, remedy)

    def check_cube(self, group: Any) -> None:
        """Check that all workers together write a cube."""
        began = time.time()
        group.run(preprocessing.write_cube, cube=str(self.cube), archive=str(self.archive), workdir=str(self.workdir))
        seconds = time.time() - began
        patches = sum(len(rows) for rows in open_cube(self.cube).rows.values())
        found = f"{patches} patches in {seconds:.0f} s"
        self._add("cube", patches > 0, found, "workdir must be on a file system that all nodes see")

    def check_killed_worker(self, group: Any) -> None:
        """Check that a training in which the last rank is killed ends, and that the error names this rank."""
        began = time.time()
        last = len(self.places) - 1
        message = ""
        try:
            self._train(group, prepare=kill_last_rank)
        except WorkerError as error:
            message = str(error).splitlines()[0].rstrip(":")
        history = records.find_folder(self.workdir, self.run) / "history.csv"
        noticed = time.time() - (history.stat().st_mtime if history.exists() else began)
        found = f"{message}; noticed {noticed:.0f} s after the first epoch" if message else "no error came"
        is_named = f"rank {last} of" in message and noticed < LONGEST_NOTICE
        remedy = "a longer training (epochs), or other options of srun in the site's profile"
        self._add("killed worker", is_named, found, remedy)

    def check_resumed(self, group: Any) -> pd.DataFrame:
        """Check that new workers go on after the last whole epoch; the history of the whole training."""
        history = records.find_folder(self.workdir, self.run) / "history.csv"
        before = len(pd.read_csv(history)) if history.exists() else 0
        results = self._train(group)
        table = pd.read_csv(history)
        is_whole = table["epoch"].tolist() == list(range(1, self.recipe.epochs + 1))
        is_one_network = len({result["checksum"] for result in results}) == 1
        rate = table["images"].sum() / table["seconds"].sum()
        found = f"after epoch {before} of {self.recipe.epochs}; the same weights on every rank; {rate:,.0f} images/s"
        self._add("resumed", is_whole and is_one_network, found, "workdir must keep what a killed process wrote")
        return table

    def describe(self, what: str) -> str:
        """Describe the finding of one check in a sentence."""
        found = next(line["found"] for line in self.verdict if line["what"] == what)
        return f"{what[0].upper()}{what[1:]}: {found}."

    def list_verdict(self) -> pd.DataFrame:
        """One line per check: what, ready, found, and the remedy where it is not ready."""
        return pd.DataFrame(self.verdict)

    def list_checks(self) -> dict[str, bool]:
        """Name of each check, and whether it passed; the remedy is part of the name."""
        checks = {}
        for line in self.verdict:
            name = f"{line['what']}: {line['found']}"
            if line["remedy"]:
                name += f" (remedy: {line['remedy']})"
            checks[name] = line["ready"] == "ready"
        return checks

    def _train(self, group: Any, prepare: Any = None) -> list[dict[str, Any]]:
        return group.run(
            start.train,
            run=self.run,
            workdir=str(self.workdir),
            cube=str(self.cube),
            recipe=self.recipe,
            prepare=prepare,
        )

    def _add(self, what: str, is_ready: bool, found: str, remedy: str) -> None:
        ready = "ready" if is_ready else "NOT READY"
        self.verdict.append({"what": what, "ready": ready, "found": found, "remedy": "" if is_ready else remedy})


def describe_place() -> dict[str, Any]:
    """Describe where this worker is, as MPI, Slurm and TensorFlow see it.

    Returns
    -------
    dict
        rank, ranks, node, process, cores, gpus (number that TensorFlow sees), visible (CUDA_VISIBLE_DEVICES).
    """
    import tensorflow as tf

    from bigearth.training.team import join_team

    team = join_team()
    return {
        "rank": team.rank,
        "ranks": team.size,
        "node": os.environ.get("SLURMD_NODENAME") or os.uname().nodename,
        "process": os.getpid(),
        "cores": len(os.sched_getaffinity(0)),
        "gpus": len(tf.config.get_visible_devices("GPU")),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
    }


def time_allreduce(repeats: int = 5) -> float:
    """Time how long it takes to add up ResNet-50's gradients over all workers as a training does.

    Algorithm bandwidth is ``RESNET50_BYTES`` over this; the links carry 2 (n - 1) / n times as much.

    Returns
    -------
    float
        Median of ``repeats`` (s), on every worker.
    """
    import tensorflow as tf

    from bigearth.training.team import join_team

    team = join_team()
    ones = tf.ones(RESNET50_BYTES // 4)
    seconds = []
    for repeat in range(repeats + 1):  # the first one opens the connections
        team.average(tf.zeros(1), f"barrier{repeat}")
        began = time.perf_counter()
        mean = team.average(ones, f"bandwidth{repeat}").numpy()
        seconds.append(time.perf_counter() - began)
    if mean.min() != 1 or mean.max() != 1:
        raise RuntimeError(f"an all-reduce of ones gave {mean.min()} to {mean.max()}: MPI or NCCL is broken here")
    return sorted(seconds[1:])[repeats // 2]


def kill_last_rank(run_folder: Path) -> None:
    """Kill the last rank's process once its training's first epoch is on disk (see `bigearth.training.start.train`)."""
    from bigearth.training.team import join_team

    def kill() -> None:
        while not (run_folder / "history.csv").exists():
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)

    team = join_team()
    if team.rank == team.size - 1:
        threading.Thread(target=kill, daemon=True).start()
