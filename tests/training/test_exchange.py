"""What is set before workers exchange arrays, and which way they choose; real exchanges train in test_loop."""

import importlib
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from bigearth.cluster import engines, failures
from bigearth.errors import InputError, Stalled
from bigearth.files import ROOT
from bigearth.training import exchange, team

pytestmark = pytest.mark.usefixtures("bare_environment")


class Ranks:
    """A communicator whose other rank says the same of Horovod as it was told."""

    def __init__(self, other):
        self.other = other

    def allgather(self, reason):
        return [reason, self.other]


@pytest.mark.parametrize("given, check", [(None, "20"), ("500", "200"), ("2", "1")])
def test_patience_with_a_silent_worker_can_be_set(monkeypatch, given, check):
    if given:
        monkeypatch.setenv(exchange.STALL_VARIABLE, given)
    exchange.set_horovod_defaults()
    assert os.environ[exchange.STALL_VARIABLE] == (given or str(exchange.STALL_SECONDS))
    assert os.environ["HOROVOD_STALL_CHECK_TIME_SECONDS"] == check


def test_endless_patience_sets_no_check(monkeypatch):
    monkeypatch.setenv(exchange.STALL_VARIABLE, "0")
    exchange.set_horovod_defaults()
    assert "HOROVOD_STALL_CHECK_TIME_SECONDS" not in os.environ


@pytest.mark.parametrize("wrong", ["long", "-5", "1.5", "nan", "١"])
def test_another_patience_is_an_error_that_names_the_variable(monkeypatch, wrong):
    monkeypatch.setenv(exchange.STALL_VARIABLE, wrong)
    with pytest.raises(InputError, match=exchange.STALL_VARIABLE):
        exchange.set_horovod_defaults()


def test_mpi_takes_the_place_of_horovod_where_one_worker_lacks_it(monkeypatch):
    assert exchange.choose_exchange(Ranks("")) == (exchange.HorovodExchange, "")
    make, warning = exchange.choose_exchange(Ranks("ImportError: gone"))
    assert make is not exchange.HorovodExchange
    assert warning.startswith("Horovod cannot be imported") and "slow (rank 1: ImportError: gone)" in warning
    monkeypatch.setitem(sys.modules, "horovod.tensorflow", None)
    assert "(rank 0: ModuleNotFoundError: " in exchange.choose_exchange(Ranks(""))[1]


def test_workers_of_horovodrun_cannot_do_without_horovod(monkeypatch):
    monkeypatch.setitem(sys.modules, "horovod.tensorflow", None)
    monkeypatch.setenv("HOROVOD_RANK", "0")
    monkeypatch.setenv("HOROVOD_SIZE", "2")
    with pytest.raises(InputError, match=r'"horovodrun" needs Horovod, which cannot be imported .*"mpi" or "srun"'):
        team.join_team()


@pytest.mark.parametrize("means, gpus, warns", [("Horovod", 1, True), ("Horovod", 0, False), ("mpi4py", 1, False)])
def test_gpus_without_nccl_are_warned_of(monkeypatch, means, gpus, warns):
    monkeypatch.setattr(exchange.tf.config, "list_physical_devices", lambda kind: ["GPU"] * gpus)
    horovod = importlib.import_module("horovod.tensorflow")
    monkeypatch.setattr(horovod, "nccl_built", lambda: 0)
    warning = exchange.find_missing_nccl(types.SimpleNamespace(means=means))
    assert ("./setup.sh gpu" in warning) == warns
    monkeypatch.setattr(horovod, "nccl_built", lambda: 22304)
    assert exchange.find_missing_nccl(types.SimpleNamespace(means=means)) == ""


def call_elsewhere(name):
    """Call a function of this file in a process of its own: one that has begun MPI cannot start mpiexec any more."""
    code = f"from tests.training import test_exchange; test_exchange.{name}()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_mpi_exchanges_arrays_of_every_kind():
    call_elsewhere("exchange_arrays_of_every_kind")


def exchange_arrays_of_every_kind():
    from mpi4py import MPI

    alone = exchange.MpiExchange(MPI.COMM_SELF)
    array = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert alone.sum(array, "s") is not array and np.array_equal(alone.sum(array, "s"), array)
    for some in (array, array[:0], array.astype(np.uint8), array.T):
        gathered = alone.gather(some)
        assert gathered.dtype == some.dtype and np.array_equal(gathered, some)
    assert alone.broadcast_object({"a": [1, OSError("disk")]})["a"][0] == 1

    @tf.function
    def mean(tensor):
        return alone.average(tensor, "mean")

    assert np.array_equal(mean(tf.constant(array)), array)
    assert mean.get_concrete_function(tf.TensorSpec((None, 2))).outputs[0].shape == (None, 2)


def test_sums_keep_their_order_inside_a_compiled_function():
    """MPI has no names for what it sums: on every worker the calls must come in the order of the lines."""
    call_elsewhere("sum_in_a_compiled_function")


def sum_in_a_compiled_function():
    from mpi4py import MPI

    class Recorder(exchange.MpiExchange):
        seen: list[str] = []

        def sum(self, array, name):
            self.seen.append(name)
            return array

    recorder = Recorder(MPI.COMM_SELF)
    names = [f"gradient{i}" for i in range(40)]

    @tf.function
    def average_all(tensors):
        return [recorder.average(tensor, name) for tensor, name in reversed(list(zip(tensors, names, strict=True)))]

    for _ in range(5):
        average_all([tf.ones(100 - i) * i for i in range(40)])
    assert recorder.seen == names[::-1] * 5


def test_only_failed_exchanges_are_named():
    with pytest.raises(Stalled, match="longer than 50 s"), exchange.name_stalls():
        raise tf.errors.UnknownError(None, None, "Horovod has been shut down.")
    with pytest.raises(tf.errors.UnknownError), exchange.name_stalls():
        raise tf.errors.UnknownError(None, None, "something else")


def sum_without_horovod(fault):
    """On a worker of a notebook: rank 1 fails while rank 0 waits for it in a compiled sum."""
    import signal

    from bigearth.training import team

    sys.modules["horovod.tensorflow"] = None
    joined = team.join_team()
    if joined.rank == 1 and fault == "raise":
        raise ValueError("the disk of worker 1 is gone")
    if joined.rank == 1 and fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)

    @tf.function
    def mean(tensor):
        return joined.average(tensor, "mean")

    with exchange.name_stalls():
        return float(mean(tf.constant(float(joined.rank))))


@pytest.mark.parametrize(
    "fault, said",
    [
        ("raise", r"^rank 1 of 2: ValueError: the disk of worker 1 is gone"),
        ("kill", r"^rank 1 of 2: the process ended"),
    ],
)
def test_a_notebook_names_the_worker_that_failed(fault, said):
    with engines.start(2, "mpi") as group:
        assert group.run(sum_without_horovod, fault=None) == [0.5, 0.5]
        with pytest.raises(failures.WorkerError, match=said):
            group.run(sum_without_horovod, fault=fault)
