"""Studies for the tests of this folder: one narrow network on the tiny archive, in a folder of its own."""

import re
import sys

import numpy as np
import pandas as pd
import yaml

from bigearth.files import ROOT
from bigearth.parameters import escape

NETWORK = {"width": 8, "blocks": [1, 1, 1, 1], "warmup": 1, "milestones": [1.0], "deterministic": True}
START = 500  # s that a job may take to train: a tenth of that on an idle machine


class Study:
    """A study in a folder of its own: ``run(...)`` calls the command on it."""

    def __init__(self, folder, slurm, archive, cube, runs, site="mini"):
        self.folder, self.slurm, self.site = folder, slurm, site
        self.path, self.results, self.work = folder / "tried.yaml", folder / "results", folder / "work"
        defaults = {"workdir": str(self.work), "results": str(self.results), "cube": str(cube), "workers": 4}
        defaults["classify"] = str(archive)
        defaults = {name: escape(value) for name, value in defaults.items()}  # a dollar sign is meant as one
        folder.mkdir(exist_ok=True)
        self.path.write_text(yaml.safe_dump({"study": "tried", "defaults": defaults, "runs": runs}))

    def command(self, *options):
        return [sys.executable, "-m", "bigearth", "study", str(self.path), *options]

    def run(self, *options, timeout=900, env=None):
        """The command's return code and all it printed."""
        done = self.slurm.run(*self.command(*options), check=False, timeout=timeout, cwd=ROOT, env=env or {})
        return done.returncode, done.stdout + done.stderr

    def submit(self, *options):
        """Submit; returns {run: job id}."""
        code, printed = self.run("--slurm", self.site, *options)
        assert code == 0, printed
        return dict(re.findall(r"^(\S+) +(\d+)  ", printed, re.M))

    def log(self, stem):
        return next(self.work.glob(f"studies/*/{stem}.log")).read_text()

    def history(self, run):
        path = self.work / "runs" / run / "history.csv"
        return pd.read_csv(path) if path.exists() else pd.DataFrame({"epoch": []})

    def trains(self, run, epochs):
        """Whether that many epochs are done; for `MiniSlurm.until`."""
        return len(self.history(run)) >= epochs


def training(name="slow", nodes=2, tasks=1, time="00:10:00", epochs=12, **parameters):
    return {
        "notebook": "03_training",
        "name": name,
        "parameters": {**NETWORK, "epochs": epochs, "batch_size": 2, **parameters},
        "resources": {"nodes": nodes, "tasks_per_node": tasks, "time": time},
    }


def same(history, other):
    """Whether two histories tell of the same training (all but the times)."""
    columns = ["epoch", "learning_rate", "loss", "val_loss", "val_f1"]
    return len(history) == len(other) and np.allclose(history[columns], other[columns], rtol=1e-4, atol=1e-5)
