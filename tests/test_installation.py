"""Variables of another installation are named; each check runs in a process of its own, as GDAL reads them once."""

import os
import subprocess
import sys

import pytest

from bigearth import installation
from bigearth.errors import InputError
from bigearth.files import ROOT

CODE = "from bigearth import installation; installation.check_projections()"


def check_projections(**variables):
    """Return the last line that the check says."""
    environment = {name: value for name, value in os.environ.items() if name not in installation.PROJ_VARIABLES}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True)
    return (done.stderr.strip().splitlines() or [""])[-1]


def test_projections_are_found():
    assert check_projections() == ""


@pytest.mark.parametrize("name", installation.PROJ_VARIABLES)
def test_projections_of_another_installation(tmp_path, name):
    said = check_projections(**{name: str(tmp_path)})
    assert f"InputError: {name} is {tmp_path}, not this installation's PROJ" in said
    assert said.endswith(f"unset {name}")


def test_python_path_of_another_installation(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    installation.check_python_path()
    (tmp_path / "numpy").mkdir()
    with pytest.raises(InputError, match=f"^PYTHONPATH puts {tmp_path}/numpy before this environment's numpy: unset"):
        installation.check_python_path()
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    installation.check_python_path()
