"""Checkpoints of a training: one file per epoch, written whole or not at all, the one before it kept.

`tf.train.CheckpointManager` is not used: it writes without fsync, restores without verifying first, cannot go on when
its own list of checkpoints is damaged, and the state could not be read without TensorFlow, which the check before the
workers start needs.
"""

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bigearth.files import write_whole

KEPT_CHECKPOINTS = 2


def write(folder: Path, values: Sequence[np.ndarray], state: dict[str, Any]) -> None:
    """Write the state after ``state["epoch"]`` finished epochs.

    Parameters
    ----------
    folder : Path
    values : list of arrays
        All variables of the network and the optimizer.
    state : dict
        What else the training needs to go on, as JSON.
    """
    arrays: dict[str, Any] = {f"variable{i}": value for i, value in enumerate(values)}
    with write_whole(folder / f"epoch-{state['epoch']:04d}.npz") as partial, open(partial, "wb") as file:
        np.savez(file, state=np.array(json.dumps(state)), **arrays)
        file.flush()
        os.fsync(file.fileno())  # a renamed file without its content would look like a good checkpoint
    for old in list_checkpoints(folder)[KEPT_CHECKPOINTS:]:
        old.unlink()


def list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints of a folder, the newest first."""
    return sorted(folder.glob("epoch-*.npz"), reverse=True)


def read_state(path: Path) -> dict[str, Any]:
    """Read a checkpoint's state.

    Raises
    ------
    ValueError
        The checkpoint is damaged; a damaged zip file can raise nearly any other exception, too.
    """
    with zipfile.ZipFile(path) as file:
        damaged = file.testzip()  # every array carries a CRC-32
    if damaged:
        raise ValueError(f"{damaged} has another checksum")
    with np.load(path) as file:
        state = json.loads(str(file["state"]))
    if not isinstance(state, dict):
        raise ValueError("its state is no mapping")
    return state


def restore(path: Path, variables: Sequence[Any]) -> None:
    """Give Keras variables the values that `write` was given."""
    with np.load(path) as file:
        for i, variable in enumerate(variables):
            variable.assign(file[f"variable{i}"])
