"""The machine: cores within a cgroup's quota, GPUs that a driver answers for, CUDA_VISIBLE_DEVICES as CUDA reads it."""

import os

import pytest

from bigearth import machine
from bigearth.errors import InputError
from bigearth.machine import Gpu

TWO = [Gpu("GPU-a", "H100"), Gpu("GPU-b", "H100")]
APOLOGY = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running."
)


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """Put this process into a group of a tree of files; returns a function that writes one of its files."""
    monkeypatch.setattr(machine, "CGROUP_ROOT", tmp_path)
    monkeypatch.setattr(machine, "CGROUPS_OF_PROCESS", tmp_path / "own")

    def write(own, **files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/a/b", {"a__b__cpu_dot_max": "200000 100000"}, 2),
        ("0::/a/b", {"a__b__cpu_dot_max": "max 100000", "a__cpu_dot_max": "150000 100000"}, 1.5),  # of a group above
        ("0::/", {"cpu_dot_max": "200000 100000"}, 2),  # as a container sees it
        ("0::/a", {"a__cpu_dot_max": "max 100000"}, None),
        ("0::/a", {}, None),
        ("4:cpu,cpuacct:/a", {"cpu__a__cpu_dot_cfs_quota_us": "400000", "cpu__a__cpu_dot_cfs_period_us": "100000"}, 4),
        ("4:cpu,cpuacct:/a", {"cpu__a__cpu_dot_cfs_quota_us": "-1", "cpu__a__cpu_dot_cfs_period_us": "100000"}, None),
        # the group's path is that of the host, and a container sees only its own files
        ("4:cpu:/docker/1", {"cpu__cpu_dot_cfs_quota_us": "50000", "cpu__cpu_dot_cfs_period_us": "100000"}, 0.5),
        ("0::/a", {"a__cpu_dot_max": "nonsense"}, None),
    ],
)
def test_quota_of_cgroups(cgroup, own, files, quota):
    cgroup(own + "\n", **files)
    assert machine.read_cpu_quota() == quota


def test_cores_within_the_quota(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    for quota, own, every in ((2.0, 2, 2), (2.9, 2, 2), (0.5, 1, 1), (32, 16, 32), (100, 16, 64), (None, 16, 64)):
        monkeypatch.setattr(machine, "read_cpu_quota", lambda quota=quota: quota)
        assert (machine.count_cores(), machine.count_all_cores()) == (own, every)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A stand-in for nvidia-smi that says this."""

    def write(words, code=0):
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'END'\n{words}\nEND\nexit {code}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return write


def test_gpus_are_listed(nvidia_smi):
    nvidia_smi("GPU-a, NVIDIA H100\nGPU-b, NVIDIA H100")
    assert machine.list_gpus() == [Gpu("GPU-a", "NVIDIA H100"), Gpu("GPU-b", "NVIDIA H100")]


@pytest.mark.parametrize("code", [0, 9])
def test_the_apology_of_a_missing_driver_is_no_gpu(nvidia_smi, code):
    nvidia_smi(APOLOGY, code)
    assert machine.list_gpus() == []
    nvidia_smi("No devices were found", code)
    assert machine.list_gpus() == []


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        (None, ["0", "1"]),
        ("0,1", ["0", "1"]),
        (" 1 ,0", ["1", "0"]),
        ("1,1", ["1"]),
        ("GPU-b", ["GPU-b"]),
        ("MIG-c", ["MIG-c"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        ("NoDevFiles", []),
        ("none", []),
    ],
)
def test_visible_gpus(monkeypatch, text, visible):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if text is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    assert machine.list_visible_gpus(TWO) == visible


@pytest.mark.parametrize("text", ["all", "0;1", "gpu0", "2", "0-1", "1.0"])
def test_words_that_cuda_does_not_know(monkeypatch, text):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    with pytest.raises(InputError, match=f"^CUDA_VISIBLE_DEVICES is '{text}'"):
        machine.list_visible_gpus(TWO)
