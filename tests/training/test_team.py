"""One worker alone, and what is set before several meet; real teams train in test_loop."""

import keras
import numpy as np
import pytest

from bigearth import machine
from bigearth.errors import InputError
from bigearth.training import team

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.mark.parametrize(
    "variables, size",
    [
        ({}, 1),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, 4),
        ({"HOROVOD_SIZE": "2"}, 2),
        ({"PMI_SIZE": "3"}, 3),
        ({"SLURM_STEP_NUM_TASKS": "8", "PMIX_RANK": "0"}, 8),
        ({"SLURM_STEP_NUM_TASKS": "8"}, 1),  # of a job whose batch script starts one worker without srun
    ],
)
def test_the_launcher_says_how_many_workers_it_started(monkeypatch, variables, size):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert team.count_started() == size


def test_a_team_of_one_leaves_everything_as_it_is():
    alone = team.join_team()
    array = np.arange(3.0)
    assert (alone.rank, alone.size) == (0, 1)
    assert alone.average(array, "x") is array and alone.sum(array) is array and alone.gather(array) is array
    assert alone.on_first(lambda: 5) == 5
    with pytest.raises(OSError, match="disk"):
        alone.on_first(lambda: (_ for _ in ()).throw(OSError("disk")))


def test_checksums_tell_weights_apart():
    models = [keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]) for _ in range(2)]
    sums = [team.Team().check_same_weights(model) for model in models]
    assert sums[0] != sums[1] and sums[0] == team.Team().check_same_weights(models[0])


@pytest.mark.parametrize("word", ["", "-1", "NoDevFiles"])
def test_a_job_without_gpus_trains_on_cores(monkeypatch, word):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", word)
    assert team.join_team().size == 1


def test_a_gpu_that_tensorflow_does_not_see_is_named(monkeypatch):
    monkeypatch.setattr(machine, "list_gpus", lambda: [machine.Gpu("GPU-1", "H100")])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(team.tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES is 0 but TensorFlow sees no GPU"):
        team.join_team()
