"""Calls that fail on all ranks or on none."""

import os
import subprocess
import sys

import pytest

from bigearth.errors import InputError
from bigearth.mpi import communicator, on_first_rank, rank_and_size, together

# What two ranks run: the function fails on the rank and in the way that the arguments name.
PROGRAM = """
import sys
from bigearth.errors import InputError
from bigearth.mpi import communicator, on_first_rank, rank_and_size, together

comm = communicator()
rank, ranks = rank_and_size(comm)
failing = int(sys.argv[1])
kind = {"InputError": InputError, "ValueError": ValueError}[sys.argv[2]]
name_rank = sys.argv[3] == "yes"

def work(text):
    if rank == failing:
        raise kind(text)
    return rank

marked = []
try:
    result = together(comm, work, "no bread", on_failure=lambda: marked.append(1), name_rank=name_rank)
    shared = on_first_rank(comm, lambda: {"from": rank})
    message = f"{result} {ranks} {shared['from']}"
except Exception as error:
    last = str(error).strip().splitlines()[-1]
    message = f"{type(error).__name__}: {last} {len(marked)}"
open(f"{sys.argv[4]}/{rank}", "w").write(message)
"""


def run(folder, failing, kind="InputError", name_rank="yes"):
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    command = ["mpiexec", "-n", "2", "--oversubscribe", sys.executable, "-c", PROGRAM]
    arguments = [str(failing), kind, name_rank, str(folder)]
    subprocess.run([*command, *arguments], env=os.environ | allowed, check=True, timeout=120, capture_output=True)
    return [(folder / str(rank)).read_text() for rank in range(2)]


def test_results_of_every_rank_and_of_the_first(tmp_path):
    assert run(tmp_path, -1) == ["0 2 0", "1 2 0"]


def test_an_input_error_is_raised_on_every_rank_and_names_the_one_that_failed(tmp_path):
    assert run(tmp_path, 1) == ["InputError: rank 1: no bread 0", "InputError: rank 1: no bread 1"]


def test_the_rank_need_not_be_named(tmp_path):
    assert run(tmp_path, 0, name_rank="no") == ["InputError: no bread 1", "InputError: no bread 0"]


def test_other_exceptions_keep_their_kind_where_they_happened(tmp_path):
    assert run(tmp_path, 1, "ValueError") == ["RuntimeError: ValueError: no bread 0", "ValueError: no bread 1"]


def test_without_mpi(monkeypatch):
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "HOROVOD_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert communicator() is None and rank_and_size(None) == (0, 1)
    assert together(None, max, 2, 3) == 3 and on_first_rank(None, max, 2, 3) == 3
    failed = []
    with pytest.raises(ZeroDivisionError):
        together(None, lambda: 1 / 0, on_failure=lambda: failed.append(True))
    assert failed


def test_under_horovodrun_there_is_no_mpi(monkeypatch):
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOROVOD_RANK", "1")
    with pytest.raises(InputError, match="needs mpi, srun"):
        communicator()
