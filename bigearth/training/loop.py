"""Training on any number of workers: the loop, written out once.

Horovod's Keras classes do not work with Keras 3, hence no ``fit``. And a loop lets the learning rate, the random
numbers and the order of the patches be functions of (seed, epoch, step, rank): exact resumption depends on
that, and so does the agreement of k workers with one.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from bigearth import provenance
from bigearth.background import read_ahead
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError, Interrupted
from bigearth.files import resolve, write_whole
from bigearth.progress import Note
from bigearth.scores import metrics, model_card
from bigearth.scores.predictions import write_predictions
from bigearth.training import batches, checkpoints, records, scoring
from bigearth.training.exchange import name_stalls
from bigearth.training.recipe import Recipe
from bigearth.training.scalars import Scalars
from bigearth.training.team import Team, join_team
from bigearth.training.trainer import Trainer, check_backend, make_trainer

SAMPLED_STEPS = 20  # steps per epoch whose times are kept


@name_stalls()
def train(run: str, workdir: Path | str, cube: Path | str, recipe: Recipe) -> dict[str, Any]:
    """Train one network on this and all other workers, predict validation and test, and write the run's folder.

    Called on every worker with the same parameters. Called again, it goes on from the newest whole checkpoint: at most
    one epoch is repeated, and the history is the same as without the break (to the last bit on up to two workers with
    ``deterministic``; on more, the order of an all-reduce's sum may vary). A finished run returns at once.

    SIGUSR1 to any worker ends the run: all workers finish their step, agree in its all-reduce, and raise `Interrupted`;
    the checkpoint of the last whole epoch is on disk by then. Slurm sends it before a time limit, and starts the job
    again.

    Parameters
    ----------
    run : str
        Name of the run; its files go to ``<workdir>/runs/<run>/``.
    workdir, cube : path
    recipe : Recipe

    Returns
    -------
    dict
        rank, and the keys of `bigearth.training.records.RESULT`.

    Raises
    ------
    InputError
        A parameter does not fit; the run exists with other parameters; the loss became NaN.
    Interrupted
        SIGUSR1 was received.
    Stalled
        Another worker ended, or did not come for longer than the site's patience.
    """
    began = time.time()
    team = join_team()
    check_backend()
    if team.warning:
        say(team, f"warning: {team.warning}")

    # what is asked for, and what an earlier run of this name has left
    folder = records.find_folder(workdir, run)
    opened = open_cube(resolve(cube))
    workload = recipe.check(opened, team.size)
    parameters = {"run": run, "workdir": str(workdir), "cube": str(cube), **recipe.as_dict(), "workers": team.size}
    trained_on = records.describe_data(opened)
    earlier = team.on_first(lambda: records.read_earlier(folder, parameters, trained_on, opened.path))
    if earlier.result:
        say(team, f"run {run} is finished: {folder}")
        return earlier.result | {"rank": team.rank}
    for warning in workload.warnings:
        say(team, f"warning: {warning}")

    # network and optimizer, new or as the checkpoint has them
    trainer = make_trainer(team, recipe, opened, workload, is_new=earlier.checkpoint is None)
    if earlier.state:
        state = earlier.state
        say(team, f"going on after epoch {state['epoch']}")
        if team.rank == 0:
            checkpoints.restore(earlier.checkpoint, trainer.variables)
    else:
        state = {"epoch": 0, "history": [], "seconds": 0, "parameters": parameters, "trained_on": trained_on}
    team.broadcast(trainer.variables)
    before = state["seconds"]
    team.on_first(lambda: records.start_tables(folder, state))
    if team.rank == 0:
        trainer.note = Note(folder / records.NOTE)
    trainer.note.write("the first step is compiled")

    # epochs
    scalars = Scalars(folder)
    with listen_for_stop() as stop:
        for epoch in range(state["epoch"], recipe.epochs):
            line, timings = train_epoch(trainer, epoch, stop)
            history = [*state["history"], line]
            state |= {"epoch": epoch + 1, "history": history, "seconds": before + time.time() - began}
            keep_epoch(trainer, folder, state, timings, scalars)
            say(team, describe_epoch(line, recipe.epochs))

    # predictions, model and record
    result = {"run": run, "workers": team.size, "epochs": recipe.epochs, "val_f1": state["history"][-1]["val_f1"]}
    trainer.note.write("validation and test are predicted")
    result |= finish(trainer, run, folder)
    started = began - before  # of all starts together: a run that was stopped and went on cost both
    team.on_first(lambda: write_record(trainer, folder, parameters, started, result, trained_on))
    trainer.note.remove()
    return result | {"rank": team.rank}


def train_epoch(trainer: Trainer, epoch: int, stop: threading.Event) -> tuple[dict[str, Any], np.ndarray]:
    """Train and validate one epoch, counted from 0.

    Returns
    -------
    dict
        A line of ``history.csv``.
    float array (steps, columns of `bigearth.training.records.TIMINGS`)
        Of all workers.

    Raises
    ------
    InputError
        The loss became NaN.
    Interrupted
        SIGUSR1 was received.
    """
    team, recipe, workload = trainer.team, trainer.recipe, trainer.workload
    rates = trainer.rates[epoch]

    # train
    start = time.perf_counter()
    rows = batches.order_rows(trainer.cube.rows["train"], recipe.seed, epoch, trainer.repeats)
    rows = rows[: workload.steps * workload.global_batch]
    source = batches.read_training_batches(
        trainer.cube, list(recipe.inputs), rows, recipe.batch_size, team.rank, team.size
    )
    loss, own_timings = run_steps(trainer, read_ahead(move_to_device(source)), epoch, stop)
    trained = time.perf_counter()

    # validate
    trainer.note.write(f"epoch {epoch + 1} of {recipe.epochs} is validated")
    team.average_statistics(trainer.model)
    validation = trainer.cube.rows[workload.scored["validation"]]
    val_loss, val_f1 = scoring.validate(team, trainer.score, validation)
    if not np.isfinite(val_loss):  # the last update may have been the bad one: it must not be kept
        raise describe_divergence("validation loss", val_loss, epoch, workload.steps, rates[-1])
    timings = team.gather(own_timings)
    validated = time.perf_counter()

    line = {
        "epoch": epoch + 1,
        "learning_rate": float(rates[-1]),
        "loss": loss,
        "val_loss": val_loss,
        "val_f1": val_f1,
        "seconds": trained - start,
        "images": len(rows),
        "validation_seconds": validated - trained,
    }
    return line, timings


@dataclass
class Losses:
    """Losses of an epoch's steps, read one step late, so that a GPU always has its next step queued."""

    epoch: int
    rates: np.ndarray
    values: list[float] = field(default_factory=list)
    pending: tuple | None = None

    def add(self, loss: Any, stopping: Any) -> None:
        """Take the outcome of a step, and settle the one before it."""
        self.settle()
        self.pending = (loss, stopping)

    def settle(self) -> None:
        """Wait for the pending step, if there is one; raise if its loss is NaN or a worker was told to stop."""
        if self.pending is None:
            return
        loss, stopping = self.pending
        self.pending = None
        self.values.append(float(loss))
        steps = len(self.values)
        if not np.isfinite(self.values[-1]):
            raise describe_divergence("loss", self.values[-1], self.epoch, steps, self.rates[steps - 1])
        if stopping > 0:
            raise Interrupted(
                f"stopped by SIGUSR1 in epoch {self.epoch + 1}: start it again, it goes on after epoch {self.epoch}"
            )


def run_steps(trainer: Trainer, source: Any, epoch: int, stop: threading.Event) -> tuple[float, np.ndarray]:
    """Run the steps of one epoch.

    Returns
    -------
    float
        Mean loss.
    float array (sampled steps, columns of `bigearth.training.records.TIMINGS`)
        Of this worker.
    """
    rank, rates = trainer.team.rank, trainer.rates[epoch]
    sampled = set(np.linspace(0, len(rates) - 1, min(len(rates), SAMPLED_STEPS)).astype(int))
    losses = Losses(epoch, rates)
    timings = []
    began = time.monotonic()
    for index, rate in enumerate(rates):
        timed = index in sampled
        if timed:
            losses.settle()  # else its time would count to this step

        # next batch
        asked = time.time()
        features, truth = next(source)
        got = time.time()

        # step: its random numbers are a function of seed, epoch, step and rank
        seed = np.random.SeedSequence([trainer.recipe.seed, epoch, index, rank]).generate_state(2).view(np.int32)
        stopping = tf.constant(float(stop.is_set()))
        loss, stopping, computed, received = trainer.step(
            features, truth, tf.constant(seed), tf.constant(rate, tf.float32), stopping, timed=timed
        )
        losses.add(loss, stopping)
        if index == 0:
            began = time.monotonic()  # the first step of all is compiled
        trainer.note_step(epoch, index, began)

        # times
        if timed:
            losses.settle()
            parts = [got - asked, float(computed) - got, float(received - computed), time.time() - asked]
            timings.append([epoch + 1, index + 1, rank, *parts])
    losses.settle()
    source.close()
    return float(np.mean(losses.values)), np.array(timings)


def move_to_device(source: Iterable[batches.Batch]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Make batches tensors where they are read ahead, so that the copy to a GPU is hidden too."""
    for features, truth in source:
        yield {key: tf.constant(array) for key, array in features.items()}, tf.constant(truth)


def keep_epoch(trainer: Trainer, folder: Path, state: dict[str, Any], timings: np.ndarray, scalars: Scalars) -> None:
    """Write checkpoint, history, timings and scalars of an epoch, on rank 0, while the others wait."""

    def write() -> None:
        records.append_timings(folder, timings)
        values = [variable.numpy() for variable in trainer.variables]
        checkpoints.write(folder / "checkpoints", values, state)
        records.write_table(folder / "history.csv", pd.DataFrame(state["history"]))
        scalars.write(state["history"])

    trainer.team.on_first(write)


def finish(trainer: Trainer, run: str, folder: Path) -> dict[str, Any]:
    """Predict validation and test with all workers, and write ``model.keras`` and ``predictions.h5`` on rank 0.

    Returns
    -------
    dict
        What `bigearth.training.records.RESULT` has beyond the last epoch's line.
    """
    team, recipe, cube, scored = trainer.team, trainer.recipe, trainer.cube, trainer.workload.scored
    checksum = team.check_same_weights(trainer.model)
    predicted = {}
    for split in sorted(set(scored.values())):
        predicted[split] = scoring.predict_split(team, trainer.score, cube.rows[split], len(cube.labels))
    truth, probability = predicted[scored["test"]]
    test_f1 = metrics.precision_recall_f1(metrics.count_decisions(truth, metrics.assign_labels(probability)), "micro")[
        2
    ]
    attributes = {
        "run": run,
        "bands": [recipe.bands] if isinstance(recipe.bands, str) else recipe.bands,
        "upsampling": recipe.upsampling,
        "epochs": recipe.epochs,
        "finished": True,
    }

    def write() -> None:
        with write_whole(folder / "model.keras") as partial:
            trainer.model.save(partial)
        write_predictions(folder / "predictions.h5", cube, predicted, attributes)

    team.on_first(write)
    return {
        "test_f1": float(test_f1),
        "checksum": checksum,
        "scored": scored,
        "without_positive": trainer.workload.without_positive,
    }


def write_record(
    trainer: Trainer,
    folder: Path,
    parameters: dict[str, Any],
    started: float,
    result: dict[str, Any],
    trained_on: dict[str, Any],
) -> None:
    """Write ``provenance.json``, with which the run is finished, and its model card."""
    gpus = trainer.team.size if tf.config.list_physical_devices("GPU") else 0
    record = provenance.collect(parameters, started, workers=trainer.team.size, gpus=gpus)
    record |= {"allreduce": trainer.team.means, "result": result, "trained_on": trained_on}
    provenance.write(folder, record)
    model_card.write_card(folder)


def describe_divergence(what: str, value: float, epoch: int, step: int, rate: float) -> InputError:
    """The error of a loss that is no number any more."""
    kept = f"the checkpoint of epoch {epoch} is kept" if epoch else "there is no checkpoint yet"
    return InputError(
        f"the {what} became {value} in epoch {epoch + 1}, step {step}, at learning rate {rate:.4g}: lower "
        f"learning_rate, lengthen warmup or clip gradients by optimizer_options; {kept}"
    )


def describe_epoch(line: dict[str, Any], epochs: int) -> str:
    """Describe an epoch in one line, for the notebook's reader."""
    rate = line["images"] / line["seconds"]
    return (
        f"epoch {line['epoch']}/{epochs}: loss {line['loss']:.4f}, validation loss {line['val_loss']:.4f}, "
        f"micro F1 {line['val_f1']:.3f}, {rate:.0f} images/s"
    )


def say(team: Team, line: str) -> None:
    """Print a line on rank 0, in one piece: where Python does not buffer, ``print`` writes the end of a line apart."""
    if team.rank == 0:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


@contextmanager
def listen_for_stop() -> Iterator[threading.Event]:
    """Make an event that SIGUSR1 sets; signals reach only the main thread, in others it stays unset."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGUSR1, before)
