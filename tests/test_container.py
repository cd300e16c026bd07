"""The two recipes of the container: the same files of the project, the same base, and setup.sh for the rest."""

import re

from bigearth.files import ROOT

FOLDER = ROOT / "slurm" / "container"


def test_both_recipes_take_the_same_files_and_all_are_there():
    ignored = (FOLDER / "containerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    definition = (FOLDER / "bigearth.def").read_text()
    copied = set(re.findall(r"^    (\S+) /opt/bigearth/", definition, re.MULTILINE))
    assert allowed == copied and not [name for name in copied if not (ROOT / name).exists()]
    assert {"setup.sh", "setup", "pyproject.toml", "uv.lock"} <= copied


def test_both_recipes_have_one_base_and_leave_the_rest_to_set_up():
    definition, containerfile = (FOLDER / "bigearth.def").read_text(), (FOLDER / "Containerfile").read_text()
    base = re.search(r"ARG BASE=docker.io/library/(\S+)", containerfile)[1]
    assert f"FROM={base}\n" in definition and f"/{base}\n" in (FOLDER / "build.sh").read_text()
    for recipe in (definition, containerfile):
        installed = re.search(r"apt-get install -y -qq --no-install-recommends (.*)", recipe)[1]
        assert installed == "ca-certificates git make python3"
        assert "/opt/bigearth/setup.sh" in recipe
