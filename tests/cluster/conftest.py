"""What the tests of this folder share: stand-ins for programs of a cluster, and an environment without Slurm."""

import os

import pytest


@pytest.fixture
def no_slurm(monkeypatch):
    """Take Slurm's variables out of the environment."""
    for name in list(os.environ):
        if name.startswith("SLURM"):
            monkeypatch.delenv(name)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a shell script on PATH under the name of a program."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return write


@pytest.fixture
def allocation(no_slurm, stand_in, monkeypatch):
    """Pretend to be in a Slurm job that runs, with these variables."""

    def enter(state="RUNNING", **variables):
        stand_in("squeue", f"echo {state}")
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return enter
