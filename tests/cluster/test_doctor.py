"""The doctor: every part is named, and what is missing with its remedy."""

import os
import subprocess
import sys

import pytest

from bigearth.cluster import doctor
from bigearth.files import ROOT

APOLOGY = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


def examine_one(name):
    """The finding of one check."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "CHECKS", {name: doctor.CHECKS[name]})
        return doctor.examine()[0]


def test_report_names_every_part(capsys):
    assert doctor.main() == 0  # setup.sh provided everything that is required
    report = capsys.readouterr().out
    for part in ("Python", "TensorFlow", "Horovod", "GDAL JP2OpenJPEG", "Projections", "MPI", "Slurm", "Memory"):
        assert part in report
    assert "with MPI, Gloo" in report


def test_missing_part_fails_and_names_its_remedy(capsys, monkeypatch):
    def absent():
        raise ImportError("no such module")

    check = doctor.Check(absent, "training on several workers", True, "run ./setup.sh")
    monkeypatch.setitem(doctor.CHECKS, "Horovod", check)
    assert doctor.main() == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "Horovod" in line)
    assert line.startswith("MISSING") and "remedy: run ./setup.sh" in line


def test_an_nvidia_smi_without_driver_is_no_gpu(stand_in, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    stand_in("nvidia-smi", f'echo "{APOLOGY}"; exit 9')
    finding = examine_one("GPUs")
    assert finding.found is None and APOLOGY in finding.remedy and "load the driver" in finding.remedy
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert examine_one("GPUs").remedy.startswith("CUDA_VISIBLE_DEVICES is '0', but nvidia-smi finds no GPU")


def test_hidden_gpus_are_told(stand_in, monkeypatch):
    stand_in("nvidia-smi", "echo GPU-a, H100")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    assert examine_one("GPUs").found == "none of 1 (H100): CUDA_VISIBLE_DEVICES is 'NoDevFiles'"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "all")
    assert examine_one("GPUs").remedy.startswith("CUDA_VISIBLE_DEVICES is 'all'")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert examine_one("GPUs").found == "1: H100"


def test_a_python_path_of_another_installation(tmp_path, monkeypatch):
    (tmp_path / "keras").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert examine_one("PYTHONPATH").remedy.startswith(f"PYTHONPATH puts {tmp_path}/keras before")


def test_an_import_that_fails_for_it_names_it(tmp_path, monkeypatch):
    def broken():
        raise ImportError("numpy.core.multiarray failed to import")

    (tmp_path / "numpy").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(doctor.CHECKS, "HDF5", doctor.Check(broken, "the cube", True, "run ./setup.sh"))
    assert examine_one("HDF5").remedy.startswith(f"PYTHONPATH puts {tmp_path}/numpy")


def test_an_mpi_of_another_kind(stand_in):
    stand_in("mpiexec", "echo HYDRA build details: Version: 4.0.2")
    assert "mpiexec of MPICH 4.0.2" in examine_one("MPI").remedy


def test_the_job_around_this_shell(no_slurm, allocation, stand_in):
    assert examine_one("Slurm job").found == "none"
    allocation(SLURM_NTASKS=4, SLURM_JOB_NUM_NODES=2)
    assert examine_one("Slurm job").found == "job 7: 4 tasks on 2 nodes"
    stand_in("squeue", "exit 0")
    assert "SLURM_JOB_ID is 7, a job that is over" in examine_one("Slurm job").remedy


def test_a_job_that_does_not_tell_its_tasks(allocation):
    allocation()
    assert examine_one("Slurm job").remedy.startswith("SLURM_NTASKS is not set")


def test_a_quota_of_cores(monkeypatch):
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(doctor.machine, "read_cpu_quota", lambda: 2.0)
    assert examine_one("Cores").found == "2 of 64: the quota of a cgroup"


def test_a_keras_of_another_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert examine_one("Keras").remedy.startswith("KERAS_BACKEND sets the backend of Keras to 'torch'")


def test_the_command_runs_where_other_packages_do_not(tmp_path):
    """A PYTHONPATH of another installation: doctor says so, the other commands say it in one line."""
    for package in ("numpy", "yaml", "keras"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('built for another Python')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    report = subprocess.run(
        [sys.executable, "-m", "bigearth", "doctor"], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert report.returncode == 1 and f"PYTHONPATH puts {tmp_path}/numpy before" in report.stdout
    command = [sys.executable, "-m", "bigearth", "study", "papermill_runs/mini.yaml", "--dry-run"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert said.returncode == 2 and said.stderr.startswith(f"error: PYTHONPATH puts {tmp_path}/numpy before")
