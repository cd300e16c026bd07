"""The course of a training for TensorBoard: loss, F1, learning rate and speed of every epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

FOLDER = "tensorboard"  # in a run's folder
SUFFIX = ".bigearth"  # of our files' names: no other file in that folder is touched
# tf.summary.scalar needs the package tensorboard; this mark of a scalar is all that it would add
MARK = tf.compat.v1.SummaryMetadata(data_class=1, plugin_data={"plugin_name": "scalars"})
COLUMNS = ("loss", "val_loss", "val_f1", "learning_rate")  # of history.csv


class Scalars:
    """Writes scalars into a run's folder, on rank 0; the step of a point is its epoch."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / FOLDER
        self._writer: Any = None

    def write(self, history: Sequence[dict[str, Any]]) -> None:
        """Write the last epoch of a history.

        The first call writes all its epochs, into a new file in place of those of an earlier start: what was trained
        after the checkpoint, and is trained again, would else be there twice.
        """
        lines = history[-1:]
        if self._writer is None:
            for path in self._folder.glob(f"events.out.tfevents.*{SUFFIX}"):
                path.unlink()
            self._writer = tf.summary.create_file_writer(str(self._folder), filename_suffix=SUFFIX)
            lines = history
        with self._writer.as_default():
            for line in lines:
                values = {column: line[column] for column in COLUMNS}
                values["images_per_second"] = line["images"] / line["seconds"]
                for name, value in values.items():
                    tf.summary.write(name, tf.constant(value, tf.float32), step=line["epoch"], metadata=MARK)
        self._writer.flush()
