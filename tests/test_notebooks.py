"""Every notebook: its defaults, and its execution in order on a tiny archive, with two Horovod workers."""

import os
import subprocess
import sys

import nbformat
import papermill
import pytest
import yaml

from bigearth.declarations import read_declared
from bigearth.files import ROOT
from bigearth.study.definition import load

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# found before any other module in the kernel's environment: an import of one of these fails
BLOCKED = ("tensorflow", "horovod", "mpi4py")


def test_all_notebooks_are_there():
    assert [path.stem for path in NOTEBOOKS] == [
        "00_acceptance",
        "01_exploration",
        "02_preprocessing",
        "03_training",
        "04_classification",
        "05_scaling",
        "06_mapping",
        "07_superresolution",
        "08_planning",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_defaults_write_below_scratch(path):
    """Run All changes nothing that git knows."""
    declared = read_declared(path)
    assert declared["results"].default.startswith("scratch/results/")
    for name in ("workdir", "cube"):
        assert name not in declared or declared[name].default.startswith("scratch/")


def test_defaults_are_those_of_the_miniature_study():
    """Run All in the order of the notebooks gives what `make study` gives."""
    own = {"run", "runs", "bands", "workers", "launcher"}  # of one run among several, or of the machine
    for run in load(ROOT / "papermill_runs/mini.yaml").runs:
        for name, value in run.parameters.items():
            assert name in own or run.declared[name].default == value, f"{run.notebook.name}: {name}"


@pytest.fixture(scope="module")
def study(tiny_archive, tmp_path_factory):
    """Folder of a finished study of the tiny archive: every notebook, run by the driver, two Horovod workers."""
    folder = tmp_path_factory.mktemp("study")
    training = {"width": 8, "epochs": 2, "warmup": 1, "batch_size": 4, "cube": str(folder / "work/cube.h5")}
    training["classify"] = str(tiny_archive)
    described = {
        "study": "tiny",
        "defaults": {
            "workdir": str(folder / "work"),
            "results": str(folder / "results"),
            "cube": str(folder / "work/cube.h5"),
            "workers": 2,
            "launcher": "mpi",
        },
        "runs": [
            {"notebook": "01_exploration", "parameters": {"archive": str(tiny_archive)}},
            {"notebook": "02_preprocessing", "parameters": {"archive": str(tiny_archive), "upsampling": "bilinear"}},
            # without DSen2: training it takes minutes
            {
                "notebook": "07_superresolution",
                "parameters": {"archive": str(tiny_archive), "weights": "", "patches": 5},
                "after": ["02_preprocessing"],
            },
            *(
                {
                    "notebook": "03_training",
                    "name": bands,
                    "parameters": {"bands": bands, **training},
                    "after": ["02_preprocessing"],
                }
                for bands in ("rgb", "multispectral")
            ),
            {
                "notebook": "04_classification",
                "parameters": {"runs": ["rgb", "multispectral"]},
                "after": ["rgb", "multispectral"],
            },
            {
                "notebook": "05_scaling",
                "parameters": {"runs": ["rgb", "multispectral"], "measure": []},
                "after": ["rgb", "multispectral"],
            },
            {"notebook": "08_planning"},
        ],
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(described))
    done = subprocess.run(
        [sys.executable, "-m", "bigearth", "study", str(folder / "tiny.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("stem", ["01_exploration", "02_preprocessing", "03_training-rgb", "03_training-multispectral",
                                  "04_classification", "05_scaling", "07_superresolution", "08_planning"])  # fmt: skip
def test_executed(study, stem):
    notebook = nbformat.read(study / f"results/{stem}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]  # there is something to look at
    noise = [output.text for output in outputs if output.get("name") == "stderr"]
    noise += [output.data for output in outputs if output.output_type == "execute_result"]  # of a forgotten semicolon
    assert not noise, noise
    assert (study / "results" / stem / "provenance.json").exists()
    assert notebook.metadata.papermill.output_path == f"{stem}.ipynb"  # no path of this machine


@pytest.mark.parametrize("stem", ["01_exploration", "04_classification", "05_scaling", "08_planning"])
def test_reading_needs_no_tensorflow(study, tiny_archive, tmp_path, monkeypatch, stem):
    for name in BLOCKED:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is blocked here')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    parameters = {"results": str(tmp_path / "results")}
    if stem != "08_planning":
        parameters["workdir"] = str(study / "work")
    if stem == "01_exploration":
        parameters["archive"] = str(tiny_archive)
    if stem in ("04_classification", "05_scaling"):
        parameters |= {"cube": str(study / "work/cube.h5"), "runs": ["rgb", "multispectral"]}
    if stem == "05_scaling":
        parameters["measure"] = []
    papermill.execute_notebook(
        ROOT / f"notebooks/{stem}.ipynb", tmp_path / "out.ipynb", parameters, cwd=tmp_path, progress_bar=False
    )
