"""Which way of using GPUs works, and what lacks: drivers, nvidia-smi and builds are imitated, as the node has none."""

import sys
import types

import pytest
import tensorflow as tf

from bigearth.cluster import gpu_route
from bigearth.errors import InputError

DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Tue Sep 24 2024\nGCC version: gcc version 12.2.0\n"
LIBRARY = 'nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"'


@pytest.fixture
def node(monkeypatch, tmp_path, stand_in):
    """Make this node one with a driver, GPUs, a TensorFlow and a Horovod of our choice."""

    def make(driver=None, gpus=0, seen=0, cuda="12.5.1", libraries=True, nccl=True, toolkit="13.0"):
        version = tmp_path / "version"
        if driver:
            version.write_text(DRIVER.format(driver))
        if gpus:
            stand_in("nvidia-smi", "\n".join(f"echo GPU-{number}, A100" for number in range(gpus)))
        horovod, core = types.ModuleType("horovod"), types.ModuleType("horovod.tensorflow")
        core.nccl_built = lambda: nccl
        horovod.tensorflow = core
        (tmp_path / "cuda-of-horovod").write_text(f"{toolkit}\n")
        build = {"is_cuda_build": bool(cuda), "cuda_version": cuda}
        monkeypatch.setattr(gpu_route, "DRIVER_VERSION", version)
        monkeypatch.setattr(gpu_route.sys, "prefix", str(tmp_path))
        monkeypatch.setattr(
            gpu_route.metadata, "requires", lambda name: ["numpy>=1.26", *([] if libraries else [LIBRARY])]
        )
        monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: build)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU"] * seen)
        monkeypatch.setitem(sys.modules, "horovod", horovod)
        monkeypatch.setitem(sys.modules, "horovod.tensorflow", core)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return make


def test_a_node_where_everything_works(node):
    node(driver="580.65.06", gpus=4, seen=4)
    assert gpu_route.read_driver() == 580
    assert gpu_route.find_gpus() == "4: A100"
    assert gpu_route.find_cuda() == "12.5.1, TensorFlow sees 4 GPUs"
    assert gpu_route.find_nccl() == "Horovod is built with NCCL, by CUDA 13.0"
    assert gpu_route.describe_route() == "4 GPUs, gradients through NCCL"


def test_a_login_node_says_what_is_installed(node):
    node()
    assert gpu_route.read_driver() is None
    assert gpu_route.find_cuda() == "12.5.1, not tried: no GPU here"
    assert "NCCL" in gpu_route.find_nccl()
    assert gpu_route.describe_route() == "the cores: no GPU that this process may use"


def test_a_driver_without_the_libraries_of_cuda(node):
    node(driver="580.65.06", gpus=2, libraries=False)
    with pytest.raises(InputError, match="1 packages.*not installed, such as nvidia-cudnn-cu12: run ./setup.sh gpu"):
        gpu_route.find_cuda()
    assert gpu_route.describe_route() == "none that works, see GPUs and CUDA above"


def test_a_driver_and_the_tensorflow_of_cores(node):
    node(driver="580.65.06", gpus=2, cuda="", nccl=False)
    with pytest.raises(InputError, match="cores alone, 2 GPUs stay idle: run ./setup.sh gpu"):
        gpu_route.find_cuda()
    assert gpu_route.describe_route() == "none that works, see GPUs and CUDA above"


def test_the_tensorflow_of_cores_where_no_gpu_is(node):
    node(cuda="")
    with pytest.raises(InputError, match="no GPU is here; where one is: run ./setup.sh gpu"):
        gpu_route.find_cuda()
    assert gpu_route.describe_route().startswith("the cores")


@pytest.mark.parametrize(
    "find, said, parts",
    [
        (gpu_route.find_cuda, "sees none of 2 GPUs", {"gpus": 2}),
        (gpu_route.find_cuda, "wants driver 525 or later; this node has 470", {"gpus": 1, "driver": "470.57.02"}),
        (gpu_route.find_nccl, "built without NCCL", {"nccl": False}),
        (gpu_route.find_nccl, "wants driver 580 or later; this node has 535", {"driver": "535.104.05"}),
    ],
)
def test_what_lacks_is_named_with_its_remedy(node, find, said, parts):
    node(**parts)
    with pytest.raises(InputError, match=said):
        find()


def test_an_older_toolkit_does_with_an_older_driver(node):
    node(driver="535.104.05", toolkit="12.4")
    assert gpu_route.find_nccl().endswith("by CUDA 12.4")


def test_mpi4py_takes_the_place_of_a_broken_horovod(node, monkeypatch):
    node(driver="580.65.06", gpus=2, seen=2)
    monkeypatch.setitem(sys.modules, "horovod.tensorflow", None)
    with pytest.raises(InputError, match="mpi4py takes its place.*setup.sh gpu"):
        gpu_route.find_nccl()
    assert gpu_route.describe_route() == "2 GPUs, NCCL lacks or cannot work, see above"
