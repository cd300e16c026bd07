"""The acceptance study, on the virtual cluster: ready."""

import sys

import nbformat
import pandas as pd
import yaml

from bigearth.files import ROOT


def accept(slurm, folder, **resources):
    """Submit acceptance.yaml with other resources and folders; its code, what was printed, and the verdict's table."""
    study = yaml.safe_load((ROOT / "papermill_runs/acceptance.yaml").read_text())
    study["defaults"] |= {"workdir": str(folder / "work"), "results": str(folder / "results")}
    study["runs"][0]["resources"] |= resources
    study["runs"][0]["parameters"] = {"patches": 80}
    (folder / "acceptance.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "bigearth", "study", folder / "acceptance.yaml", "--slurm", "mini", "--watch"]
    done = slurm.run(*command, check=False, cwd=ROOT, timeout=500)
    return done.returncode, done.stdout + done.stderr


def test_a_site_that_is_ready(slurm, tmp_path):
    code, printed = accept(slurm, tmp_path, tasks_per_node=1, gpus_per_task=0)
    notebook = next(tmp_path.glob("results/00_acceptance*ipynb")).read_text()
    assert code == 0, printed + notebook[-3000:]
    verdict = pd.read_csv(tmp_path / "results/00_acceptance/verdict.csv")
    assert verdict.what.tolist() == ["workers", "GPUs", "all-reduce", "cube", "killed worker", "resumed"]
    assert verdict.ready.eq("ready").all()
    assert verdict.found[0].startswith("2 ranks on 2 nodes") and "rank 1 of 2" in verdict.found[4]
    words = [o.data["text/markdown"] for c in nbformat.reads(notebook, 4).cells for o in c.get("outputs", [])
             if "text/markdown" in o.get("data", {})]  # fmt: skip
    assert "**This site is ready.**" in words
    print(verdict.to_string())
