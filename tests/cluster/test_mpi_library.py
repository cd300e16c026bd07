"""mpiexec and mpi4py: of one MPI, or refused in a line."""

import pytest

from bigearth.cluster import mpi_library
from bigearth.errors import InputError


def test_the_mpi_of_this_environment():
    assert mpi_library.check_mpi().startswith("Open MPI ")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("HYDRA build details:\n    Version:                                 4.0.2", "MPICH 4.0.2"),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.11 Build 20231005", "Intel MPI 2021.11"),
        ("mpiexec (Open MPI) 99.0.7", "Open MPI 99.0.7"),
        ("mpiexec: command of something else", r"an unknown MPI \(mpiexec: command of something else\)"),
    ],
)
def test_an_mpiexec_of_another_mpi(stand_in, words, name):
    stand_in("mpiexec", f"cat <<'END'\n{words}\nEND")
    with pytest.raises(InputError, match=f"^PATH leads to the mpiexec of {name} .*, mpi4py loads Open MPI"):
        mpi_library.check_mpi()


def test_an_mpi4py_that_finds_no_library(monkeypatch):
    monkeypatch.setattr(mpi_library, "ASK_LIBRARY", "raise RuntimeError('cannot load MPI library')")
    with pytest.raises(InputError, match="mpi4py loads an unknown MPI .*cannot load MPI library"):
        mpi_library.check_mpi()


def test_no_mpiexec(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="mpiexec was not found on PATH"):
        mpi_library.check_mpi()
