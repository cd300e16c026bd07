"""The two descriptions of the environment agree: environment.yml (conda) and pyproject.toml (PyPI, locked)."""

import os
import re
import subprocess
import tomllib

import yaml

from bigearth.files import ROOT
from tests.clean_notebook import LANGUAGE

SHARED = {"keras", "horovod", "numpy", "h5py", "ipyparallel", "papermill", "mpi4py", "tensorflow"}


def conda_entries():
    return yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def name_of(entry):
    """Name of a dependency as PyPI spells it."""
    return re.match(r"[\w-]+", entry)[0].replace("_", "-")


def conda_pins():
    """Versions of the packages that environment.yml pins exactly: "keras=3.15.1", 'horovod[version="0.28.1",...]'."""
    pins = {}
    for entry in conda_entries():
        pinned = re.match(r'[\w-]+(?:\[version="|=)([\d.]+)', entry)
        if pinned:
            pins[name_of(entry)] = pinned[1]
    return {name: pins[name] for name in SHARED}


def locked_versions():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    versions = {package["name"]: package.get("version") for package in lock["package"]}
    versions["tensorflow"] = versions["tensorflow-cpu"]
    versions["horovod"] = re.search(r"horovod==([\d.]+)", (ROOT / "setup.sh").read_text())[1]
    return {name: versions[name] for name in SHARED}


def test_shared_pins_are_the_same():
    assert conda_pins() == locked_versions()


def test_conda_names_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {name_of(entry).removesuffix("-base") for entry in conda_entries()}
    wanted = {name_of(entry) for entry in project["dependencies"]}
    wanted |= {name_of(entry).removesuffix("-cpu") for entry in project["optional-dependencies"]["train"]}
    assert wanted <= listed


def test_notebooks_name_the_python_of_the_environment():
    python = next(entry for entry in conda_entries() if entry.startswith("python="))
    assert LANGUAGE["version"].startswith(python.removeprefix("python=") + ".")


def test_horovod_build_is_the_patched_one():
    assert 'build_number=">=21"' in (ROOT / "environment.yml").read_text()


def test_set_up_without_root_names_packages_and_conda(tmp_path):
    for name, body in {"id": "echo 1000", "dpkg-query": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["./setup.sh"],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "missing system packages:" in done.stderr and "libopenmpi-dev" in done.stderr
    assert "environment.yml" in done.stderr
