"""Checkpoints of a training: one file per epoch, written whole or not at all, the one before it kept."""

import json
import os
import zipfile

import numpy as np

KEPT = 2


def write(folder, epoch, variables, state):
    """Write the state after ``epoch`` finished epochs.

    Parameters
    ----------
    folder : Path
    epoch : int
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
    partial.replace(folder / f"epoch-{epoch:04d}.npz")
    for old in sorted(folder.glob("epoch-*.npz"))[:-KEPT]:
        old.unlink()


def newest(folder):
    """Read the newest checkpoint that is whole (each array carries a CRC-32).

    Returns
    -------
    tuple or None
        List of arrays and the state; None where there is no checkpoint.
    """
    for path in sorted(folder.glob("epoch-*.npz"), reverse=True):
        try:
            with np.load(path) as file:
                state = json.loads(str(file["state"]))
                return [file[f"variable{i}"] for i in range(len(file.files) - 1)], state
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            print(f"checkpoint {path.name} is damaged ({error}): using the one before it", flush=True)
    return None
