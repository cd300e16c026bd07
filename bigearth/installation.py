"""Find environment variables that point to another installation, before they cause an error that does not name them."""

import json
import os
import sys
from pathlib import Path

from bigearth.errors import InputError
from bigearth.files import ROOT

PROJ_VARIABLES = ("PROJ_DATA", "PROJ_LIB")  # PROJ 9.1 and later, and before
UTM_32_NORTH = 32632  # an EPSG code that every database of PROJ holds
# packages of the study that another installation would replace without a word
PACKAGES = (
    *("numpy", "pandas", "scipy", "h5py", "osgeo", "tensorflow", "keras", "horovod", "mpi4py"),
    *("ipyparallel", "papermill", "nbformat", "matplotlib", "yaml"),
)


def check_projections() -> None:
    """Check that GDAL finds its database of projections.

    Raises InputError, with the variable that leads to another PROJ's data, where it does not.
    """
    from osgeo import osr  # late: most of the study needs no GDAL

    osr.UseExceptions()
    reference = osr.SpatialReference()
    try:
        reference.ImportFromEPSG(UTM_32_NORTH)
        if reference.GetAuthorityCode(None) == str(UTM_32_NORTH):
            return
        reason = "EPSG codes are unknown"
    except RuntimeError as error:
        reason = " ".join(str(error).split())
    for name in PROJ_VARIABLES:
        if os.environ.get(name):
            raise InputError(f"{name} is {os.environ[name]}, not this installation's PROJ ({reason}): unset {name}")
    raise InputError(f"PROJ finds no projections ({reason}): set PROJ_DATA to the share/proj of this environment")


def check_keras() -> None:
    """Raise InputError where KERAS_BACKEND or keras.json chooses another backend than TensorFlow."""
    backend, where = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    if not backend and path.is_file():
        where = str(path)
        try:
            settings = json.loads(path.read_text())
        except (OSError, ValueError):
            settings = {}  # so does Keras
        if not isinstance(settings, dict):
            raise InputError(f"{path} is not what Keras writes: correct it, or move it away")
        backend = settings.get("backend")
    if backend and backend != "tensorflow":
        raise InputError(f"{where} sets the backend of Keras to {backend!r}: the study needs 'tensorflow'")


def check_python_path() -> None:
    """Raise InputError where PYTHONPATH puts a package of another installation before this environment's."""
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        folder = Path(entry).resolve()
        if not entry or folder == ROOT or folder.is_relative_to(Path(sys.prefix).resolve()):
            continue
        for package in PACKAGES:
            if (folder / package).is_dir() or (folder / f"{package}.py").is_file():
                raise InputError(
                    f"PYTHONPATH puts {folder / package} before this environment's {package}: unset PYTHONPATH, "
                    "or take that folder out of it"
                )
