"""What README, CONTRIBUTING and slurm/README name is there: files, make targets, commands, notebooks."""

import re
import subprocess
import sys

import pytest

from bigearth.files import ROOT
from bigearth.training.records import NEW_NAME

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "slurm/README.md",
    "slurm/jupyterhub.md",
    "slurm/gpu.md",
    "slurm/container/README.md",
]
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


@each
def test_commands_are_written_for_the_activated_environment(document):
    assert set(re.findall(r"\.venv/bin/\w+", read(document))) <= {".venv/bin/activate"}


def test_messages_in_the_readme_are_those_of_the_program():
    section = read("README.md").split("## When something fails")[1].split("\n## ")[0]
    messages = re.findall(r"^\| `(.+?)` (?:\||, or)", section, re.MULTILINE)
    paths = [ROOT / "setup.sh", *(ROOT / "setup").iterdir(), *(ROOT / "bigearth").rglob("*.py")]
    source = "\n".join(path.read_text() for path in paths if path.is_file())
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # a text over several lines
    source = source.replace("{NEW_NAME}", NEW_NAME).replace("{self._say_time_is_over()}", "after ...")
    unknown = []
    for message in messages:
        for part in message.replace("setup.sh: ", "").split("..."):
            if part.strip() not in source:
                unknown.append(part)
    assert len(messages) >= 10 and not unknown
