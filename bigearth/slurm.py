"""Slurm: site profiles, job scripts, submission."""

import math

import yaml

from bigearth.errors import InputError
from bigearth.paths import ROOT

SITES = ROOT / "slurm" / "sites"


def profile(site):
    """Settings of a site, ``slurm/sites/<site>.yaml``."""
    path = SITES / f"{site}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in SITES.glob("*.yaml")))
        raise InputError(f"site {site!r} is unknown; slurm/sites has {known}")
    return yaml.safe_load(path.read_text())


def srun(profile, workers):
    """Command that runs what follows it on ``workers`` ranks of a Slurm job of its own."""
    per_node = min(workers, profile["tasks_per_node"])
    return ["srun", "--job-name=bigearth-engines", f"--nodes={math.ceil(workers / per_node)}", f"--ntasks={workers}"]
