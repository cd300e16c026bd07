"""Make what one worker needs for training from a recipe and a cube: network, optimizer, compiled step, scoring."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bigearth.cube.reading import Cube
from bigearth.errors import InputError
from bigearth.progress import Note
from bigearth.training import batches, network, optimizers, scoring
from bigearth.training.recipe import Recipe, Workload
from bigearth.training.step import compile_step
from bigearth.training.team import Team


@dataclass
class Trainer:
    """Network, optimizer, step and scoring of one worker: everything that stays the same from epoch to epoch."""

    team: Team
    recipe: Recipe
    cube: Cube
    workload: Workload
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    step: Callable[..., tuple]
    score: scoring.Score
    repeats: np.ndarray | None
    rates: np.ndarray
    note: Note = field(default_factory=Note)

    @property
    def variables(self) -> list[Any]:
        """All variables of the network and the optimizer: what a checkpoint holds."""
        return self.model.weights + self.optimizer.variables

    def note_step(self, epoch: int, index: int, began: float) -> None:
        """Note a step that was started, and the images per second of all workers since the epoch's first step.

        Parameters
        ----------
        epoch, index : int
            Of the step, counted from 0.
        began : float
            When the epoch's first step was started, monotonic s.
        """
        steps, epochs = self.workload.steps, self.recipe.epochs
        stage = f"epoch {epoch + 1} of {epochs}"
        if index:
            rate = index * self.workload.global_batch / max(time.monotonic() - began, 1e-9)
            stage += f", {rate:,.0f} images/s"
        self.note.write(stage, epoch * steps + index + 1, epochs * steps)


def check_backend() -> None:
    """Raise InputError if Keras does not work with TensorFlow here."""
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise InputError(
            f"Keras' backend is {backend!r}, the training needs 'tensorflow': correct it in KERAS_BACKEND or in "
            f"{Path.home() / '.keras/keras.json'}"
        )


def make_trainer(team: Team, recipe: Recipe, cube: Cube, workload: Workload, is_new: bool = True) -> Trainer:
    """Build network, optimizer and compiled step; ImageNet's weights are loaded into a new network only."""
    if recipe.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()
    keras.utils.set_random_seed(recipe.seed)
    keras.config.set_floatx("float32")  # whatever ~/.keras/keras.json says, as the two below
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy(recipe.precision)

    model = network.build(recipe, len(cube.labels), cube.mean, cube.std)
    if is_new:
        # rank 0 alone: the others would download the same file to the same place
        team.on_first(lambda: network.load_weights(model, recipe.weights))
    optimizer = optimizers.make_optimizer(recipe)
    optimizer.build(model.trainable_variables)

    classes = cube.classes[cube.rows["train"].start : cube.rows["train"].stop]
    positive_weight = network.weigh_positives(classes) if recipe.class_weights else None
    repeats = batches.count_repeats(classes) if recipe.oversampling else None
    return Trainer(
        team=team,
        recipe=recipe,
        cube=cube,
        workload=workload,
        model=model,
        optimizer=optimizer,
        step=compile_step(team, model, optimizer, recipe, positive_weight),
        score=scoring.make_scorer(team, model, cube, list(recipe.inputs), recipe.batch_size),
        repeats=repeats,
        rates=recipe.learning_rates(workload.steps, team.size),
    )
