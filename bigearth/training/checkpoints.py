"""Checkpoints of a training: one file per epoch, written whole or not at all, the one before it kept."""

import json
import os
import zipfile

import numpy as np

KEPT = 2


def write(folder, variables, state):
    """Write the state after ``state["epoch"]`` finished epochs.

    Parameters
    ----------
    folder : Path
    variables : list of arrays
        All of the network and the optimizer.
    state : dict
        What else the training needs to go on, as JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ".partial"
    with open(partial, "wb") as file:
        np.savez(file, state=np.array(json.dumps(state)), **{f"variable{i}": v for i, v in enumerate(variables)})
        file.flush()
        os.fsync(file.fileno())  # a renamed file without its content would look like a good checkpoint
    partial.replace(folder / f"epoch-{state['epoch']:04d}.npz")
    for old in sorted(folder.glob("epoch-*.npz"))[:-KEPT]:
        old.unlink()


def newest(folder):
    """The newest checkpoint that is whole; damaged ones are named and passed over.

    Returns
    -------
    tuple
        Path and state; (None, None) where there is none.
    """
    for path in sorted(folder.glob("epoch-*.npz"), reverse=True):
        try:
            with zipfile.ZipFile(path) as file:
                if damaged := file.testzip():  # every array carries a CRC-32
                    raise ValueError(f"{damaged} has another checksum")
            with np.load(path) as file:
                return path, json.loads(str(file["state"]))
        except Exception as error:  # a damaged zip file can raise nearly anything
            print(f"checkpoint {path} is damaged ({error}): using the one before it", flush=True)
    return None, None


def read(path, variables):
    """Give Keras variables the values that `write` was given."""
    with np.load(path) as file:
        for i, variable in enumerate(variables):
            variable.assign(file[f"variable{i}"])
