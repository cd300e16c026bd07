"""Training on any number of workers; the only module that knows Horovod (and, beside it, TensorFlow).

The loop is written out instead of left to ``fit``: Horovod's Keras classes do not work with Keras 3, and a loop lets
the learning rate, the random numbers and the order of the patches be functions of (seed, epoch, step, rank), on which
exact resumption and "k workers equal one" rest. One worker needs neither Horovod nor MPI.
"""

import hashlib
import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from bigearth import augmentation, batches, checkpoints, network, optimization, paths, provenance, recipe, scores
from bigearth.cube import SPLIT_TYPE, SPLITS, open_cube
from bigearth.errors import InputError, Interrupted

SAMPLES_PER_EPOCH = 20  # steps of an epoch whose parts go to timings.csv


def train(*, run, workdir, cube, bands="multispectral", upsampling="network", width=64, blocks=(3, 4, 6, 3), epochs=100,
          batch_size=64, seed=1, warmup=5, milestones=(0.3, 0.6, 0.8), learning_rate=0.1, schedule="step",
          optimizer="sgd", optimizer_options=None, l2=1e-4, dropout=0.5, augment=True, mixup=0.2, class_weights=False,
          oversampling=False, weights=None, precision="float32", jit_compile=False, deterministic=False,
          allow_empty_splits=False):  # fmt: skip
    """Train one network on this and all other workers, predict validation and test, and write the run's folder.

    Called on every rank with the same parameters. Called again it goes on from the newest whole checkpoint (at most one
    epoch is repeated, the history is the same as without the break; exactly so on up to two workers with
    ``deterministic``), and returns at once when the run is finished.

    SIGUSR1 on any rank ends the run: all ranks finish the step, agree in its all-reduce, and raise `Interrupted`; the
    checkpoint of the last whole epoch is on disk by then. Slurm sends it before the time limit, then requeues.

    Parameters
    ----------
    run : str
        Name of the run; its files go to ``<workdir>/runs/<run>/``.
    workdir, cube : path
    bands, upsampling, width, blocks, l2, dropout, weights
        See `bigearth.network.build`.
    epochs, batch_size, seed : int
        The batch is per worker.
    warmup, milestones, learning_rate, schedule
        See `bigearth.recipe.learning_rates`.
    optimizer, optimizer_options
        See `bigearth.optimization.optimizer`.
    augment : bool
        Random rotations and flips.
    mixup : float
        Parameter of mix-up's beta distribution; 0: none.
    class_weights : bool
        Weight the positive term of each class by its rarity (`bigearth.network.positive_weights`).
    oversampling : bool
        See patches of rare classes more often (`bigearth.batches.rare_class_repeats`).
    precision, jit_compile
        Keras' dtype policy; XLA for the forward and backward pass (Horovod's operations cannot be compiled by it).
    deterministic : bool
        TensorFlow's deterministic operations.
    allow_empty_splits : bool
        Score training rows where validation or test is empty, and say so.

    Returns
    -------
    dict
        rank, workers, run, epochs, val_f1, test_f1, checksum of the weights, scored (which rows stand for a split), without_positive.

    Raises
    ------
    InputError
        A parameter does not fit; the run exists with other parameters; the loss became NaN.
    Interrupted
        SIGUSR1 was received.
    """
    parameters = json.loads(json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in locals().items()}))
    started = time.time()
    team = _team()
    folder = paths.resolve(workdir) / "runs" / run
    cube = paths.resolve(cube)
    plan = recipe.check_parameters(**{**parameters, "cube": cube, "workers": team.size})
    parameters["workers"] = team.size
    finished, resumed = team.on_first(lambda: _earlier(folder, parameters))
    if finished:
        _say(team, f"run {run} is finished: {folder}")
        return finished | {"rank": team.rank}
    for warning in plan["warnings"]:
        _say(team, f"warning: {warning}")

    if deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    data = open_cube(cube)
    keys = list(recipe.inputs_of(bands, upsampling))
    rows = data.rows["train"]
    positives = data.classes[rows.start : rows.stop]
    model = network.build(len(data.labels), data.mean, data.std, bands, upsampling, width, blocks, l2, dropout, weights)
    updates = optimization.optimizer(optimizer, optimizer_options, precision)
    updates.build(model.trainable_variables)
    variables = model.weights + updates.variables
    first, history = 0, []
    if team.rank == 0 and resumed:
        arrays, state = checkpoints.newest(folder / "checkpoints")
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        first, history = state["epoch"], state["history"]
    first, history = team.on_first(lambda: (first, history))
    team.broadcast(variables)
    if first:
        _say(team, f"going on after epoch {first}")

    step = make_step(team, model, updates, augment, mixup, jit_compile,
                     network.positive_weights(positives) if class_weights else None)  # fmt: skip
    predict = _predictor(model)
    steps = plan["steps"]
    rates = recipe.learning_rates(steps, epochs, team.size, batch_size, warmup, milestones, learning_rate, schedule)
    repeats = batches.rare_class_repeats(positives) if oversampling else None
    sampled = set(np.linspace(0, steps - 1, min(steps, SAMPLES_PER_EPOCH)).astype(int))
    if team.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        _keep_timings(folder, first)

    with _stop_signal() as stop:
        for epoch in range(first, epochs):
            began, losses, timings = time.perf_counter(), [], []

            def check(loss, stopping, epoch=epoch, losses=losses):
                losses.append(float(loss))
                if not np.isfinite(losses[-1]):
                    raise InputError(
                        f"the loss became {losses[-1]} in epoch {epoch + 1}, step {len(losses)}, at learning rate "
                        f"{rates[epoch, len(losses) - 1]:.4g}: lower learning_rate, lengthen warmup or clip gradients "
                        f"(optimizer_options); the checkpoint of epoch {epoch} is kept"
                    )
                if stopping > 0:
                    raise Interrupted(f"stopped in epoch {epoch + 1}; epoch {epoch} is in {folder / 'checkpoints'}")

            order = batches.epoch_order(rows, seed, epoch, repeats)[: steps * plan["global_batch"]]
            source = batches.read_ahead(batches.training_batches(data, keys, order, batch_size, team.rank, team.size))
            waiting = None
            for index in range(steps):
                asked = time.time()
                features, truth = next(source)
                start = time.time()
                seeds = np.random.SeedSequence([seed, epoch, index, team.rank]).generate_state(2)
                loss, stopping, computed, reduced = step(features, truth, tf.constant(seeds.view(np.int32)),
                                                         tf.constant(rates[epoch, index], tf.float32),
                                                         tf.constant(float(stop.is_set())))  # fmt: skip
                if waiting:
                    check(*waiting)  # a step late, so that a GPU always has the next step to do
                waiting = loss, stopping
                if index in sampled:
                    check(*waiting)
                    waiting, parts = None, (start - asked, computed - start, reduced - computed, time.time() - asked)
                    timings.append([epoch + 1, index + 1, team.rank, *(float(part) for part in parts)])
            if waiting:
                check(*waiting)
            source.close()
            seconds = time.perf_counter() - began

            team.average_batchnorm(model)
            evaluated = time.perf_counter()
            val_loss, val_f1 = _validate(team, predict, data, keys, data.rows[plan["scored"]["validation"]], batch_size)
            saved = time.perf_counter()
            timings = team.gather(np.array(timings))
            history.append({"epoch": epoch + 1, "learning_rate": rates[epoch, -1], "loss": np.mean(losses),
                            "val_loss": val_loss, "val_f1": val_f1, "seconds": seconds, "images": len(order),
                            "validation_seconds": saved - evaluated, "checkpoint_seconds": 0.0})  # fmt: skip
            if team.rank == 0:
                _write_timings(folder, timings)
                state = {"epoch": epoch + 1, "history": history, "parameters": parameters}
                checkpoints.write(folder / "checkpoints", epoch + 1, [v.numpy() for v in variables], state)
                history[-1]["checkpoint_seconds"] = time.perf_counter() - saved
                _write_table(folder / "history.csv", pd.DataFrame(history))
            _say(team, f"epoch {epoch + 1}/{epochs}: loss {history[-1]['loss']:.4f}, validation loss {val_loss:.4f}, "
                       f"micro F1 {val_f1:.3f}, {len(order) / seconds:.0f} images/s")  # fmt: skip

    checksum = _same_everywhere(team, model)
    scored = {plan["scored"][split] for split in ("validation", "test")}
    predictions = {s: _predictions(team, predict, data, keys, data.rows[s], batch_size) for s in sorted(scored)}
    truth, score = predictions[plan["scored"]["test"]]
    test_f1 = float(scores.precision_recall_f1(scores.counts(truth, scores.decide(score)), "micro")[2])
    result = {"run": run, "workers": team.size, "epochs": epochs, "val_f1": history[-1]["val_f1"], "test_f1": test_f1,
              "checksum": checksum, "scored": plan["scored"],
              "without_positive": plan["without_positive"]}  # fmt: skip
    if team.rank == 0:
        model.save(folder / ".partial.keras")
        (folder / ".partial.keras").replace(folder / "model.keras")
        _write_predictions(folder, predictions, data, result, bands)
        gpus = team.size if tf.config.list_physical_devices("GPU") else 0
        record = provenance.collect(parameters, started, workers=team.size, gpus=gpus)
        provenance.write(folder, record | {"result": result})
    team.on_first(lambda: None)  # nobody returns before the files are there
    return result | {"rank": team.rank}


def make_step(team, model, optimizer, augment, mixup, jit_compile=False, positive_weight=None):
    """The compiled training step: augment, forward, backward, all-reduce, update.

    Returns
    -------
    callable
        (features, truth, seed int32 (2,), learning rate, stop flag) -> loss and stop flag as means of all workers, and
        the times (s since the epoch) at which this worker's gradients were computed and everybody's reduced.
    """
    logits = keras.Model(model.input, model.get_layer("logits").output)
    random = keras.random.SeedGenerator(0)
    seeds = [random] + [layer.seed_generator for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function(jit_compile=jit_compile)
    def gradients(features, truth):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network.binary_crossentropy(truth, logits(features, training=True), positive_weight))
            total = optimizer.scale_loss(tf.add_n([loss, *logits.losses]))
        return loss, tape.gradient(total, variables)

    @tf.function
    def step(features, truth, seed, rate, stop):
        for generator in seeds:
            generator.state.assign(seed)
        features = {key: tf.cast(x, tf.float32) for key, x in features.items()}
        truth = tf.cast(truth, tf.float32)
        if augment:
            features = augmentation.rotate_and_flip(features, random)
        if mixup:
            features, truth = augmentation.mix_up(features, truth, mixup, random)
        loss, local = gradients(features, truth)
        computed = _moment(local)
        news = team.average(tf.stack([loss, stop]), "news")
        # one by one: Horovod sends the gradients of the last layers while those of the first are being computed
        reduced = [team.average(gradient, f"gradient{i}") for i, gradient in enumerate(local)]
        optimizer.learning_rate.assign(rate)
        optimizer.apply(reduced, model.trainable_variables)
        return news[0], news[1], computed, _moment(reduced)

    return step


def _moment(tensors):
    """Time at which the tensors are there; the copy to the host makes a GPU's queue finish first."""
    with tf.control_dependencies(tensors), tf.device("CPU:0"):
        host = tf.identity(tf.reshape(tensors[0], [-1])[0])
        with tf.control_dependencies([host]):
            return tf.timestamp()


def _predictor(model):
    logits = keras.Model(model.input, model.get_layer("logits").output)

    @tf.function
    def predict(features, truth):
        raw = logits(features, training=False)
        return tf.sigmoid(raw), network.binary_crossentropy(tf.cast(truth, tf.float32), raw)

    return predict


def _evaluate(team, predict, data, keys, rows, batch_size):
    """This rank's part of a split: yields truth, score, loss per batch, the filling of the last batch removed."""
    part = batches.share_of(rows, team.rank, team.size)
    for (features, truth), count in batches.read_ahead(batches.evaluation_batches(data, keys, part, batch_size)):
        score, loss = predict(features, truth)
        yield truth[:count], score.numpy()[:count], loss.numpy()[:count]


def _validate(team, predict, data, keys, rows, batch_size):
    """Mean loss and micro F1 of a split, from sums over all workers: exact for parts of any size."""
    sums = np.zeros(2 + 3 * len(data.labels))
    for truth, score, loss in _evaluate(team, predict, data, keys, rows, batch_size):
        sums += [loss.sum(dtype=np.float64), len(loss), *scores.counts(truth, scores.decide(score)).ravel()]
    sums = team.sum(sums)
    f1 = scores.precision_recall_f1(sums[2:].reshape(3, -1), "micro")[2]
    return float(sums[0] / sums[1]), float(f1)


def _predictions(team, predict, data, keys, rows, batch_size):
    """Truth and score of a split in row order, on every rank."""
    parts = [np.zeros((0, 2 * len(data.labels)), np.float32)]
    for truth, score, _ in _evaluate(team, predict, data, keys, rows, batch_size):
        parts.append(np.concatenate([truth, score], axis=1, dtype=np.float32))
    both = team.gather(np.concatenate(parts))
    return both[:, : len(data.labels)].astype(np.uint8), both[:, len(data.labels) :]


class _Team:
    """All workers of this run; alone, every operation leaves its input as it is."""

    def __init__(self, hvd=None):
        self.hvd, self.rank, self.size = hvd, hvd.rank() if hvd else 0, hvd.size() if hvd else 1

    def average(self, tensor, name):
        return self.hvd.allreduce(tensor, op=self.hvd.Average, name=name) if self.hvd else tensor

    def sum(self, array):
        return self.hvd.allreduce(tf.constant(array), op=self.hvd.Sum, name="sum").numpy() if self.hvd else array

    def gather(self, array):
        return self.hvd.allgather(tf.constant(array), name="gather").numpy() if self.hvd else array

    def broadcast(self, variables):
        if self.hvd:
            self.hvd.broadcast_variables([variable.value for variable in variables], 0)

    def average_batchnorm(self, model):
        """Statistics are local to a worker within an epoch, as in Horovod's examples; here they become one again."""
        for layer in model.layers if self.hvd else ():
            if isinstance(layer, keras.layers.BatchNormalization):
                for variable in layer.non_trainable_variables:
                    variable.assign(self.average(variable.value, variable.path))

    def on_first(self, function):
        """Result of ``function()``, called on rank 0 alone; what it raises is raised on all ranks."""
        outcome, error = None, None
        if self.rank == 0:
            try:
                outcome = function()
            except Exception as raised:
                error = raised
        if self.hvd:
            outcome, error = self.hvd.broadcast_object((outcome, error), 0)
        if error:
            raise error
        return outcome


def _team():
    """Join the other workers where a launcher started several, and set up this worker's device."""
    env = os.environ
    step = env.get("SLURM_STEP_NUM_TASKS", 1) if "PMIX_RANK" in env or "PMI_RANK" in env else 1
    size = int(env.get("OMPI_COMM_WORLD_SIZE") or env.get("HOROVOD_SIZE") or env.get("PMI_SIZE") or step)
    team, local_rank = _Team(), 0
    if size > 1:
        # On CPUs Horovod's thread waits by polling, at the cost of a third of a core: let it yield over MPI, and sleep
        # longer between its rounds over Gloo.
        env.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
        if "HOROVOD_GLOO_RENDEZVOUS_ADDR" in env and not tf.config.list_physical_devices("GPU"):
            env.setdefault("HOROVOD_CYCLE_TIME", "20")
        # A worker that died or raised leaves the others in an all-reduce: an error in less than a minute.
        env.setdefault("HOROVOD_STALL_CHECK_TIME_SECONDS", "20")
        env.setdefault("HOROVOD_STALL_SHUTDOWN_TIME_SECONDS", "50")
        import horovod.tensorflow as hvd

        hvd.init()
        if hvd.size() != size:
            raise RuntimeError(f"the launcher started {size} workers, Horovod found {hvd.size()}: another MPI library?")
        team, local_rank = _Team(hvd), hvd.local_rank()
    try:  # only before TensorFlow's first operation in this process; a later run finds it done
        if gpus := tf.config.list_physical_devices("GPU"):
            tf.config.set_visible_devices(gpus[local_rank % len(gpus)], "GPU")
            tf.config.experimental.set_memory_growth(gpus[local_rank % len(gpus)], True)
        cores = len(os.sched_getaffinity(0))
        if size > 1 and cores == os.cpu_count():  # not bound to cores: share them
            cores = max(1, cores // hvd.local_size())
        tf.config.threading.set_intra_op_parallelism_threads(cores)
    except RuntimeError:
        pass
    return team


@contextmanager
def _stop_signal():
    """An event that SIGUSR1 sets (signals reach a process' main thread only: elsewhere it stays unset)."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGUSR1, before)


def _earlier(folder, parameters):
    """Result of a finished run of these parameters, and whether an unfinished one has a checkpoint."""
    done, state = None, None
    if (folder / "provenance.json").exists() and (folder / "predictions.h5").exists():
        record = json.loads((folder / "provenance.json").read_text())
        done, before = record["result"], record["parameters"]
    elif found := checkpoints.newest(folder / "checkpoints"):
        state, before = found[1], found[1]["parameters"]
    else:
        return None, False
    same = {k: v for k, v in parameters.items() if k not in ("workdir", "cube")}
    changed = [f"{k} = {before.get(k)!r}, now {v!r}" for k, v in same.items() if before.get(k) != v]
    if changed:
        raise InputError(f"run {folder.name} exists with {'; '.join(changed)}: choose another name for the run, or "
                         f"remove {folder}")  # fmt: skip
    return done, state is not None


def _same_everywhere(team, model):
    """Checksum of the weights; they must be the same bytes on every worker."""
    digest = hashlib.sha256(b"".join(variable.numpy().tobytes() for variable in model.weights)).digest()
    seen = team.gather(np.frombuffer(digest, np.uint8)[None])
    if (seen != seen[0]).any():
        differ = np.flatnonzero((seen != seen[0]).any(1))
        raise RuntimeError(f"after training the weights of workers {differ} are not those of worker 0")
    return digest.hex()


def _write_predictions(folder, predictions, data, result, bands):
    partial = folder / ".partial.h5"
    with h5py.File(partial, "w") as file:
        names = [data.patches(split) for split in predictions]
        codes = [np.full(len(truth), SPLITS.index(split)) for split, (truth, _) in predictions.items()]
        file.create_dataset("patch", data=np.concatenate(names).astype(object), dtype=h5py.string_dtype())
        file.create_dataset("split", data=np.concatenate(codes), dtype=SPLIT_TYPE)
        file["truth"] = np.concatenate([truth for truth, _ in predictions.values()])
        file["score"] = np.concatenate([score for _, score in predictions.values()])
        file.attrs.update({
            "run": result["run"], "labels": list(data.labels), "bands": np.atleast_1d(bands).tolist(),
            "nomenclature": data.nomenclature, "miniature": data.miniature, "epochs": result["epochs"],
            "finished": True,
        })  # fmt: skip
    partial.replace(folder / "predictions.h5")


def _write_table(path, table):
    partial = path.with_name(f".{path.name}.partial")
    table.to_csv(partial, index=False)
    partial.replace(path)


TIMINGS = ["epoch", "step", "rank", "input_s", "compute_s", "allreduce_s", "step_s"]


def _keep_timings(folder, epochs):
    """Start timings.csv, or keep what the checkpoint's epochs left in it."""
    path = folder / "timings.csv"
    table = pd.read_csv(path) if path.exists() and epochs else pd.DataFrame(columns=TIMINGS)
    _write_table(path, table[table["epoch"] <= epochs])


def _write_timings(folder, rows):
    table = pd.DataFrame(rows, columns=TIMINGS).astype({"epoch": int, "step": int, "rank": int})
    table.sort_values(["step", "rank"]).to_csv(folder / "timings.csv", mode="a", header=False, index=False)


def _say(team, text):
    if team.rank == 0:
        print(text, flush=True)
