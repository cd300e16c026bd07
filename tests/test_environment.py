"""The two descriptions of the environment agree: environment.yml (conda) and pyproject.toml (PyPI, locked)."""

import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from bigearth.files import ROOT
from tests.clean_notebook import LANGUAGE

SHELL_TOOLS = "bash cat cut dirname find flock grep head mkdir rm sed sha256sum sort touch xargs"
SHARED = {"keras", "horovod", "numpy", "h5py", "ipyparallel", "papermill", "mpi4py", "tensorflow"}


def conda_entries():
    return yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def name_of(entry):
    """Name of a dependency as PyPI spells it."""
    return re.match(r"[\w-]+", entry)[0].replace("_", "-")


def conda_versions():
    """What environment.yml takes of the shared packages: "keras>=3.15,<4", "tensorflow=2.21" (2.21.*)."""
    taken = {}
    for entry in conda_entries():
        wanted = re.fullmatch(r'[\w-]+(?:\[version="([\d.]+)".*\]|([=<>].*)|)', entry)
        words = f"=={wanted[1]}" if wanted[1] else wanted[2] or ""
        taken[name_of(entry)] = SpecifierSet(re.sub(r"^=([\d.]+)$", r"==\1.*", words))
    return taken


def locked_versions():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    versions = {package["name"]: package.get("version") for package in lock["package"]}
    versions["tensorflow"] = versions["tensorflow-cpu"]
    versions["horovod"] = re.search(r"HOROVOD_VERSION=([\d.]+)", (ROOT / "setup/builds.sh").read_text())[1]
    return {name: versions[name] for name in SHARED}


def test_conda_takes_the_locked_versions_and_is_exact_where_horovod_needs_it():
    taken = conda_versions()
    for name, version in locked_versions().items():
        assert version in taken[name] and str(taken[name]), name
    assert "2.22.0" not in taken["tensorflow"] and "0.29" not in taken["horovod"]


def test_conda_names_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {name_of(entry).removesuffix("-base") for entry in conda_entries()}
    wanted = {name_of(entry) for entry in project["dependencies"]}
    wanted |= {name_of(entry).removesuffix("-cpu") for entry in project["optional-dependencies"]["train"]}
    assert wanted <= listed


def test_the_project_takes_the_pythons_of_conda_and_of_the_notebooks():
    wanted = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    assert LANGUAGE["version"] in wanted and "3.12" in wanted
    assert "python=3.12" in conda_entries()


def test_horovod_build_is_the_patched_one():
    assert 'build="*mpi_openmpi*",build_number=">=21"' in (ROOT / "environment.yml").read_text()


@pytest.fixture
def clone(tmp_path):
    """What set-up reads, in a folder with a blank, without .venv."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    shutil.copy(ROOT / "setup.sh", folder)
    shutil.copy(ROOT / "uv.lock", folder)
    shutil.copytree(ROOT / "setup", folder / "setup")
    return folder


def set_up(clone, commands, *words):
    """Run setup.sh as on a machine that has a shell's own tools and these commands: name and what it does."""
    tools = clone.parent / "bin"
    tools.mkdir()
    for name in SHELL_TOOLS.split():
        (tools / name).symlink_to(shutil.which(name))
    for name, body in {"id": "echo 1000", **commands}.items():
        (tools / name).write_text(f"#!{shutil.which('bash')}\n{body}\n")
        (tools / name).chmod(0o755)
    environment = {"PATH": str(tools), "HOME": "/nowhere"}
    command = [str(clone / "setup.sh"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def uname(system, machine):
    return f'[ "$1" = -s ] && echo {system} || echo {machine}'


def test_set_up_without_root_names_what_lacks_with_packages_and_modules(clone):
    done = set_up(
        clone, {"uname": uname("Linux", "x86_64"), "gdal-config": "echo 3.8.4", "python3": "echo 3.9.2; exit 1"}
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and "this machine lacks" in lines[0]
    (mpi,) = [line for line in lines if "mpicc" in line]
    assert "libopenmpi-dev" in mpi and "openmpi-devel" in mpi and mpi.endswith("OpenMPI")
    (python,) = [line for line in lines if "Python 3.11 to 3.13" in line]
    assert "3.9.2" in python and "python3.12-devel" in python
    assert not [line for line in lines if "gdal-config" in line]
    assert "environment.yml" in lines[-1] and "slurm/container" in lines[-1]


def test_an_older_system_is_told_of_conda_and_containers_in_one_line(clone):
    offered = "case $3 in python3) echo Version: 3.10.6-1 ;; *) echo 'Version: 3.4.1+dfsg-1' ;; esac"
    done = set_up(clone, {"uname": uname("Linux", "x86_64"), "apt-cache": offered})
    (line,) = done.stderr.splitlines()
    assert "Python 3.10.6 and GDAL 3.4.1" in line and "environment.yml" in line and "slurm/container" in line


@pytest.mark.parametrize("system, machine", [("Darwin", "arm64"), ("Linux", "aarch64")])
def test_another_kind_of_machine_is_refused_in_one_line(clone, system, machine):
    done = set_up(clone, {"uname": uname(system, machine)})
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and system in line and machine in line and "environment.yml" in line


def test_what_set_up_cannot_do_is_refused(clone):
    done = set_up(clone, {"uname": uname("Linux", "x86_64")}, "everything")
    assert done.returncode == 1 and "everything is unknown: study, test, cluster, gpu or wheelhouse" in done.stderr


def test_gdal_of_the_releases_that_set_up_is_for_is_pinned():
    lines = (ROOT / "setup/gdal_sources.txt").read_text().splitlines()[1:]
    pinned = dict(line.split() for line in lines)
    assert {"3.6.2", "3.8.4", "3.10.3"} <= set(pinned)  # Debian 12, Ubuntu 24.04, Debian 13
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in pinned.values())
