"""Variables of another installation are named; each check runs in a process of its own, as GDAL reads them once."""

import os
import subprocess
import sys

import pytest

from bigearth import installation
from bigearth.errors import InputError
from bigearth.files import ROOT
from tests.archive.small_products import pixels, write_product

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


def test_a_tile_without_a_code_is_not_blamed_on_its_coordinates(tmp_path):
    """GDAL reads the projection from the file, but knows its EPSG code only from PROJ's database."""
    write_product(tmp_path / "tiles", pixels())
    (tmp_path / "empty").mkdir()
    code = "import sys; from pathlib import Path; from bigearth.archive.windows import find_windows\n"
    code += "from tests.archive.small_products import table\nfind_windows(Path(sys.argv[1]), table([(0, 0)]))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PROJ_DATA": str(tmp_path / "empty")}
    command = [sys.executable, "-c", code, str(tmp_path / "tiles")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert f"InputError: PROJ_DATA is {tmp_path}/empty" in done.stderr.splitlines()[-1]


def test_a_keras_of_another_backend(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = tmp_path / "keras.json"
    installation.check_keras()
    file.write_text('{"backend": "tensorflow", "image_data_format": "channels_first"}')  # the networks set their own
    installation.check_keras()
    file.write_text('{"backend": "jax"}')
    with pytest.raises(InputError, match=f"^{file} sets the backend of Keras to 'jax'"):
        installation.check_keras()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # goes before the file
    installation.check_keras()
    monkeypatch.delenv("KERAS_BACKEND")
    file.write_text("{")  # Keras passes it over
    installation.check_keras()
    file.write_text("[]")
    with pytest.raises(InputError, match=f"^{file} is not what Keras writes"):
        installation.check_keras()
