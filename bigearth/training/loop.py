"""Training on any number of workers: the loop, written out once.

Horovod's Keras classes do not work with Keras 3, hence no ``fit``. And a loop lets the learning rate, the random
numbers and the order of the patches be functions of (seed, epoch, step, rank): on that exact resumption and "k workers
equal one" rest.
"""

import hashlib
import json
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from bigearth import background, files, provenance
from bigearth.cube.reading import open_cube
from bigearth.errors import InputError, Interrupted
from bigearth.scores import metrics, predictions
from bigearth.training import batches, checkpoints, network, optimizers, recipe, scoring
from bigearth.training import team as workers
from bigearth.training.records import TIMINGS, read_earlier_run, start_timings, write_table
from bigearth.training.step import compile_step

SAMPLED = 20  # steps per epoch whose times are kept


def train(*, run, workdir, cube, bands="multispectral", upsampling="network", width=64, blocks=(3, 4, 6, 3), epochs=100,
          batch_size=64, seed=1, warmup=5, milestones=(0.3, 0.6, 0.8), learning_rate=0.1, schedule="step",
          optimizer="sgd", optimizer_options=None, l2=1e-4, dropout=0.5, augment=True, mixup=0.2, class_weights=False,
          oversampling=False, weights=None, precision="float32", jit_compile=False, deterministic=False,
          allow_empty_splits=False):  # fmt: skip
    """Train one network on this and all other workers, predict validation and test, and write the run's folder.

    Called on every rank with the same parameters. Called again, it goes on from the newest whole checkpoint: at most
    one epoch is repeated, and the history is the same as without the break (to the last bit on up to two workers with
    ``deterministic``; on more, the order of an all-reduce's sum may vary). A finished run returns at once.

    SIGUSR1 to any rank ends the run: all ranks finish their step, agree in its all-reduce, and raise `Interrupted`; the
    checkpoint of the last whole epoch is on disk by then. Slurm sends it before a time limit, and starts the job again.

    Parameters
    ----------
    run : str
        Name of the run; its files go to ``<workdir>/runs/<run>/``.
    workdir, cube : path
    bands, upsampling, width, blocks, l2, dropout, weights
        See `bigearth.training.network.build`.
    epochs, batch_size, seed : int
        The batch is per worker.
    warmup, milestones, learning_rate, schedule
        See `bigearth.training.recipe.learning_rates`.
    optimizer, optimizer_options
        See `bigearth.training.optimizers.optimizer`.
    augment : bool
        Random rotations and flips.
    mixup : float
        Parameter of mix-up's beta distribution; 0: none.
    class_weights : bool
        Weight the positive term of each class by its rarity (`bigearth.training.network.positive_weights`).
    oversampling : bool
        See patches of rare classes more often (`bigearth.training.batches.rare_class_repeats`).
    precision, jit_compile
        Keras' dtype policy; XLA for the forward and backward pass.
    deterministic : bool
        TensorFlow's deterministic operations.
    allow_empty_splits : bool
        Score training rows where validation or test is empty, and say so.

    Returns
    -------
    dict
        rank, workers, run, epochs, val_f1, test_f1, checksum of the weights, scored, without_positive (both as
        `bigearth.training.recipe.check_parameters` has them).

    Raises
    ------
    InputError
        A parameter does not fit; the run exists with other parameters; the loss became NaN.
    Interrupted
        SIGUSR1 was received.
    """
    parameters = json.loads(json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in locals().items()}))
    began = time.time()
    team, folder, cube = workers.join(), files.resolve(workdir) / "runs" / run, files.resolve(cube)
    say = _say if team.rank == 0 else lambda _: None
    plan = recipe.check_parameters(**parameters | {"cube": cube, "workers": team.size})
    parameters["workers"] = team.size
    data = open_cube(cube)
    trained_on = {"classes": len(data.labels), "patches": {split: len(rows) for split, rows in data.rows.items()},
                  "selection": data.attributes.get("selection")}  # fmt: skip
    result, checkpoint, state = team.on_first(lambda: read_earlier_run(folder, parameters, trained_on))
    if result:
        say(f"run {run} is finished: {folder}")
        return result | {"rank": team.rank}
    for warning in plan["warnings"]:
        say(f"warning: {warning}")

    if deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    rows, keys = data.rows["train"], list(recipe.inputs_of(bands, upsampling))
    classes = data.classes[rows.start : rows.stop]
    model = network.build(len(data.labels), data.mean, data.std, bands, upsampling, width, blocks, l2, dropout, weights)
    if weights and team.rank == 0 and not checkpoint:  # the others would download the same file to the same place
        network.load_imagenet(model, weights)
    updates = optimizers.optimizer(optimizer, optimizer_options, precision)
    updates.build(model.trainable_variables)
    variables = model.weights + updates.variables
    if checkpoint:
        say(f"going on after epoch {state['epoch']}")
        if team.rank == 0:
            checkpoints.read(checkpoint, variables)
    team.broadcast(variables)
    state = state or {"epoch": 0, "history": [], "seconds": 0, "parameters": parameters, "trained_on": trained_on}
    before = state["seconds"]
    if team.rank == 0:
        start_timings(folder, state["epoch"])
        if state["history"]:  # a kill may have come between the checkpoint and its line
            write_table(folder / "history.csv", pd.DataFrame(state["history"]))

    step = compile_step(team, model, updates, augment, mixup, jit_compile,
                        network.positive_weights(classes) if class_weights else None)  # fmt: skip
    score = scoring.scorer(team, model, data, keys, batch_size)
    repeats = batches.rare_class_repeats(classes) if oversampling else None
    rates = recipe.learning_rates(plan["steps"], epochs, team.size, batch_size, warmup, milestones, learning_rate,
                                  schedule)  # fmt: skip
    with _stop_signal() as stop:
        for epoch in range(state["epoch"], epochs):
            start = time.perf_counter()
            order = batches.epoch_order(rows, seed, epoch, repeats)[: plan["steps"] * plan["global_batch"]]
            source = batches.training_batches(data, keys, order, batch_size, team.rank, team.size)
            source = background.read_ahead(_on_device(source))
            loss, timings = _epoch(team, step, source, rates[epoch], seed, epoch, stop)
            trained = time.perf_counter()
            _average_batchnorm(team, model)
            val_loss, val_f1 = scoring.validate(team, score, data.rows[plan["scored"]["validation"]])
            if not np.isfinite(val_loss):  # the last update may have been the bad one: it must not be kept
                raise _diverged("validation loss", val_loss, epoch, plan["steps"], rates[epoch, -1])
            timings, validated = team.gather(timings), time.perf_counter()
            line = {"epoch": epoch + 1, "learning_rate": rates[epoch, -1], "loss": loss, "val_loss": val_loss,
                    "val_f1": val_f1, "seconds": trained - start, "images": len(order),
                    "validation_seconds": validated - trained}  # fmt: skip
            state |= {"epoch": epoch + 1, "history": state["history"] + [line], "seconds": before + time.time() - began}
            if team.rank == 0:
                table = pd.DataFrame(timings, columns=TIMINGS).astype({"epoch": int, "step": int, "rank": int})
                table.to_csv(folder / "timings.csv", mode="a", header=False, index=False)
                checkpoints.write(folder / "checkpoints", [variable.numpy() for variable in variables], state)
                write_table(folder / "history.csv", pd.DataFrame(state["history"]))
            say(f"epoch {epoch + 1}/{epochs}: loss {loss:.4f}, validation loss {val_loss:.4f}, micro F1 {val_f1:.3f}, "
                f"{len(order) / line['seconds']:.0f} images/s")  # fmt: skip

    checksum = _same_everywhere(team, model)
    predicted = {split: scoring.predict_split(team, score, data.rows[split], len(data.labels))
                 for split in sorted(set(plan["scored"].values()))}  # fmt: skip
    truth, probability = predicted[plan["scored"]["test"]]
    test_f1 = metrics.precision_recall_f1(metrics.count_decisions(truth, metrics.assign_labels(probability)), "micro")[
        2
    ]
    result = {"run": run, "workers": team.size, "epochs": epochs, "val_f1": state["history"][-1]["val_f1"],
              "test_f1": float(test_f1), "checksum": checksum, "scored": plan["scored"],
              "without_positive": plan["without_positive"]}  # fmt: skip
    if team.rank == 0:
        model.save(folder / ".partial.keras")
        (folder / ".partial.keras").replace(folder / "model.keras")
        attributes = {"run": run, "bands": [bands] if isinstance(bands, str) else list(bands), "upsampling": upsampling,
                      "epochs": epochs, "finished": True}  # fmt: skip
        predictions.write_predictions(folder / "predictions.h5", data, predicted, attributes)
        gpus = team.size if tf.config.list_physical_devices("GPU") else 0
        # of all starts together: a run that was stopped and went on cost both
        record = provenance.collect(parameters, began - before, workers=team.size, gpus=gpus)
        provenance.write(folder, record | {"result": result, "trained_on": trained_on})
    team.on_first(lambda: None)  # nobody returns before the files are there
    return result | {"rank": team.rank}


def _epoch(team, step, source, rates, seed, epoch, stop):
    """Train one epoch; mean loss, and the times of sampled steps (one row of TIMINGS each)."""
    sampled = set(np.linspace(0, len(rates) - 1, min(len(rates), SAMPLED)).astype(int))
    losses, timings, pending = [], [], None

    def settle(loss, stopping):
        losses.append(float(loss))
        if not np.isfinite(losses[-1]):
            raise _diverged("loss", losses[-1], epoch, len(losses), rates[len(losses) - 1])
        if stopping > 0:
            raise Interrupted(
                f"stopped by SIGUSR1 in epoch {epoch + 1}: start it again, it goes on after epoch {epoch}"
            )

    for index, rate in enumerate(rates):
        if index in sampled and pending:  # else its time would count to this step
            settle(*pending)
            pending = None
        asked = time.time()
        features, truth = next(source)
        got = time.time()
        seeds = np.random.SeedSequence([seed, epoch, index, team.rank]).generate_state(2).view(np.int32)
        stopping = tf.constant(float(stop.is_set()))
        *news, computed, received = step(features, truth, tf.constant(seeds), tf.constant(rate, tf.float32), stopping,
                                         timed=index in sampled)  # fmt: skip
        if pending:
            settle(*pending)  # one step late, so that a GPU always has its next step queued
        pending = news
        if index in sampled:
            settle(*pending)
            parts = got - asked, float(computed) - got, float(received - computed), time.time() - asked
            pending, timings = None, timings + [[epoch + 1, index + 1, team.rank, *parts]]
    if pending:
        settle(*pending)
    source.close()
    return float(np.mean(losses)), np.array(timings)


def _say(line):
    """Print in one piece: where Python does not buffer, ``print`` writes the end of a line apart."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _diverged(what, value, epoch, step, rate):
    kept = f"the checkpoint of epoch {epoch} is kept" if epoch else "there is no checkpoint yet"
    return InputError(
        f"the {what} became {value} in epoch {epoch + 1}, step {step}, at learning rate {rate:.4g}: lower "
        f"learning_rate, lengthen warmup or clip gradients by optimizer_options; {kept}"
    )


def _on_device(source):
    """Batches as tensors: made where they are read ahead, so that the copy to a GPU is hidden too."""
    for features, truth in source:
        yield {key: tf.constant(array) for key, array in features.items()}, tf.constant(truth)


def _average_batchnorm(team, model):
    """Statistics are a worker's own within an epoch, as in Horovod's examples; at its end they become one again."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable in layer.non_trainable_variables:
                variable.assign(team.average(variable.value, variable.path))


@contextmanager
def _stop_signal():
    """An event that SIGUSR1 sets; signals reach only the main thread, in others it stays unset."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGUSR1, before)


def _same_everywhere(team, model):
    """Checksum of the weights; they must be the same bytes on every worker."""
    digest = hashlib.sha256(b"".join(variable.numpy().tobytes() for variable in model.weights)).digest()
    seen = team.gather(np.frombuffer(digest, np.uint8)[None])
    if (seen != seen[0]).any():
        differ = np.flatnonzero((seen != seen[0]).any(axis=1))
        raise RuntimeError(f"after training the weights of workers {differ} are not those of worker 0")
    return digest.hex()
