"""Pinning: each worker gets its share of its node, and none a GPU that another one has."""

import pytest

from bigearth.cluster import pinning
from bigearth.errors import InputError


def worker(rank, node="a", gpus=(), cores=(0, 1, 2, 3), visible=None, usable=None):
    return {
        "rank": rank,
        "node": node,
        "gpus": list(gpus),
        "visible": list(visible or gpus),
        "cores": list(cores),
        "usable": usable or len(cores),
    }


def test_each_worker_gets_its_share_of_its_node():
    both = [worker(0, "a", "01"), worker(1, "b", "01"), worker(2, "a", "01"), worker(3, "b", "01")]
    pins = pinning.assign_pins(both, bind_cores=True)
    assert [pin["gpu"] for pin in pins] == ["0", "0", "1", "1"]
    assert [pin["cores"] for pin in pins] == [[0, 1], [0, 1], [2, 3], [2, 3]]
    assert pinning.assign_pins([worker(0), worker(1)], bind_cores=False) == [{"cores": None, "gpu": None}] * 2
    hidden = [worker(0, gpus=["GPU-a"], visible="0"), worker(1, gpus=["GPU-b"], visible="0")]
    assert [pin["gpu"] for pin in pinning.assign_pins(hidden, bind_cores=False)] == [None, None]  # Slurm did it already
    crowded = pinning.assign_pins([worker(rank, cores=[0]) for rank in range(2)], bind_cores=True)
    assert [pin["cores"] for pin in crowded] == [None, None]


def test_a_worker_without_gpu_beside_others_with_one_is_refused():
    for node in "ab":
        with pytest.raises(InputError, match=f"rank 1 on {node} sees no GPU"):
            pinning.assign_pins([worker(0, gpus=["0"]), worker(1, node)], bind_cores=False)


def test_sharing_a_gpu_is_refused():
    with pytest.raises(InputError, match="2 workers share 1 GPU.? on a"):
        pinning.assign_pins([worker(0, gpus=["0"]), worker(1, gpus=["0"])], bind_cores=False)


def test_workers_within_a_quota_are_bound_to_no_more_cores():
    team = [worker(rank, cores=range(64), usable=2) for rank in range(2)]
    first, second = (pin["cores"] for pin in pinning.assign_pins(team, bind_cores=True))
    assert len(first) == len(second) == 1 and first != second
    alone = pinning.assign_pins([worker(0, cores=range(64), usable=3)], bind_cores=True)
    assert len(alone[0]["cores"]) == 3


@pytest.fixture
def describe(monkeypatch):
    """`describe_worker` for a single worker, without its signals."""
    monkeypatch.setattr(pinning, "die_with_parent", lambda sign: None)
    monkeypatch.setattr(pinning.signal, "signal", lambda *_: None)
    return lambda: pinning.describe_worker(None)


def test_gpus_are_told_apart_by_their_hardware(describe, stand_in, monkeypatch):
    stand_in("nvidia-smi", "echo GPU-a, H100; echo GPU-b, H100")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,GPU-a")
    found = describe()
    assert found["visible"] == ["1", "GPU-a"] and found["gpus"] == ["GPU-b", "GPU-a"]


def test_the_apology_of_a_missing_driver_is_no_gpu(describe, stand_in, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    stand_in("nvidia-smi", "echo NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver; exit 9")
    assert describe()["gpus"] == []


def test_a_job_without_gpus_has_none(describe, monkeypatch):
    """Slurm's word for it is no GPU's name: the workers keep to their cores."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    found = describe()
    assert found["visible"] == found["gpus"] == [] and (found["rank"], found["size"]) == (0, 1)
