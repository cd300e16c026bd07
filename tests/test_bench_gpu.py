"""What the benchmark of GPUs judges, on a table as it makes it; and that it ends well where no GPU is."""

import sys

import pandas as pd
import pytest

from bigearth.errors import InputError
from tests.bench import bench_gpu

PARTS = {"input_ms": 1.0, "compute_ms": 40.0, "allreduce_ms": 4.0, "rest_ms": 1.0}
SCORES = {"first_loss": 0.7, "loss": 0.3, "val_loss": 0.3, "val_f1": 0.6, "exchange": "none", "same_weights": True}


def make_table(**changes):
    """The four trainings of a good machine; changes are ``run={column: value}``."""
    rows = {
        "float32": {"workers": 1, "images_s": 1000.0},
        "float32-seed2": {"workers": 1, "images_s": 1000.0},
        "mixed": {"workers": 1, "images_s": 2000.0},
        "mixed-2": {"workers": 2, "images_s": 3600.0, "exchange": "Horovod"},
    }
    return pd.DataFrame([{"run": run, **PARTS, **SCORES, **row, **changes.get(run, {})} for run, row in rows.items()])


def list_failed(conditions):
    return [words for words, holds in conditions if not holds]


def test_a_good_machine_passes(monkeypatch):
    monkeypatch.setattr(bench_gpu.gpu_route, "find_nccl", lambda: "Horovod is built with NCCL")
    assert not list_failed(bench_gpu.judge(make_table()) + bench_gpu.judge_pair(make_table()))


@pytest.mark.parametrize(
    "change, said",
    [
        ({"float32": {"loss": 0.8}}, "every loss falls"),
        ({"mixed": {"input_ms": 30.0}}, "input takes at most 40.0% of a step"),
        ({"mixed": {"images_s": 900.0}}, "mixed precision is 0.90 times as fast"),
        ({"mixed": {"val_f1": 0.5}}, "micro F1 by 0.100"),
    ],
)
def test_what_does_not_hold_is_named(change, said):
    (failed,) = list_failed(bench_gpu.judge(make_table(**change)))
    assert said in failed


def test_workers_that_gain_nothing_or_exchange_without_nccl(monkeypatch):
    def lacks():
        raise InputError("Horovod is built without NCCL")

    monkeypatch.setattr(bench_gpu.gpu_route, "find_nccl", lacks)
    slow, without = list_failed(bench_gpu.judge_pair(make_table(**{"mixed-2": {"images_s": 2200.0}})))
    assert "two workers are 1.10 times" in slow and "NCCL: Horovod is built without NCCL" in without


def test_no_gpu_ends_well(monkeypatch, capsys):
    monkeypatch.setattr(bench_gpu.machine, "list_gpus", list)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(sys, "argv", ["bench_gpu.py"])
    assert bench_gpu.main() == 0
    assert capsys.readouterr().out.startswith("skipped: nothing to measure without a GPU")
