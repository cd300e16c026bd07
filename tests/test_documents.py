"""What README, CONTRIBUTING and slurm/README name is there: files, make targets, commands, notebooks."""

import re
import subprocess
import sys

import pytest

from bigearth.files import ROOT

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "slurm/README.md", "slurm/jupyterhub.md", "slurm/container/README.md"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

each = pytest.mark.parametrize("document", DOCUMENTS)


def read(document):
    return (ROOT / document).read_text()


@each
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#]+)\)", read(document))
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not ((ROOT / document).parent / link).exists()]
    assert not missing


@each
def test_make_targets_are_there(document):
    named = set(re.findall(r"`make ([a-z-]+)", read(document)))
    assert named <= TARGETS


@each
def test_commands_are_known(document):
    known = subprocess.run(
        [sys.executable, "-m", "bigearth", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for command in re.findall(r"-m bigearth ([a-z]+)", read(document)):
        assert f"    {command} " in known, command
    for study in re.findall(r"papermill_runs/[a-z_<>]+\.yaml", read(document)):
        assert (ROOT / study).exists() or "<" in study


def test_readme_names_every_notebook_in_its_order():
    named = re.findall(r"^\| \[\w+\]\(notebooks/(\w+)\.ipynb\)", read("README.md"), re.MULTILINE)  # of the table
    assert sorted(named) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [name[:2] for name in named] == ["00", "01", "02", "07", "03", "04", "05", "08", "06"]


def test_package_names_every_folder():
    package = read("bigearth/__init__.py")
    folders = {path.parent.name for path in (ROOT / "bigearth").glob("*/__init__.py")}
    assert {name for name in folders if f"\n{name} " not in package} == set()


def test_readme_writes_commands_in_one_way():
    text = read("README.md")
    bare = [
        line for line in text.splitlines() if re.search(r"(?<!\.venv/bin/)\b(python -m|papermill -|jupyter lab)", line)
    ]
    assert not bare
