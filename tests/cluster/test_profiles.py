"""Site profiles: those of the project are valid, and what a file says is checked."""

import pytest

from bigearth.cluster import profiles
from bigearth.errors import InputError


@pytest.fixture
def write_profile(tmp_path, monkeypatch):
    """Write the text of the profile ``new`` in a folder of its own."""
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    return lambda text: (tmp_path / "new.yaml").write_text(text)


@pytest.mark.parametrize("path", sorted(profiles.FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_profiles_of_the_project_are_valid(path):
    profile = profiles.load(path.stem)
    options = profile.job_options({"gpus_per_task": 1})
    assert all(isinstance(option, str) and option.startswith("--") for option in options)
    assert profile.srun_command(2 * profile.tasks_per_node)[0] == "srun"


def test_unknown_keys_are_refused(write_profile):
    write_profile("partitoin: x")
    with pytest.raises(InputError, match="unknown key 'partitoin'"):
        profiles.load("new")


def test_settings_become_options_and_variables(write_profile):
    write_profile('{partition: fast, cpus_per_task: 12, gpus: "--gres=gpu:{}", interface: ib0, environment: {A: 1}}')
    profile = profiles.load("new")
    options = profile.job_options({"nodes": 2, "tasks_per_node": 4, "gpus_per_task": 1, "memory": "8G"})
    assert options == [
        *("--nodes=2", "--ntasks-per-node=4", "--partition=fast", "--cpus-per-task=12"),
        *("--gres=gpu:4", "--mem=8G", "--time=01:00:00"),
    ]
    assert "--cpus-per-task=12" not in profile.job_options({"tasks_per_node": 4})  # of a task with a GPU
    variables = {"NCCL_SOCKET_IFNAME": "ib0", "HOROVOD_GLOO_IFACE": "ib0", "SLURM_MPI_TYPE": "pmix", "A": "1"}
    assert variables.items() <= profile.job_environment().items()
