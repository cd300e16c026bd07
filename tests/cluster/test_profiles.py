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


# ---- values that cannot be meant, and those that can ----


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time: 10 hours", "time is '10 hours': write hours:minutes:seconds"),
        ("time: 1:2", "time is '1:2'"),
        ("time: [1]", "time is "),
        ("time: 00:00:00", "takes that for no limit"),
        ("options: --", "options holds '--'"),
        ("workers: two", "unknown key 'workers'"),
        ("tasks_per_node: two", "tasks_per_node is 'two': give a whole number"),
        ("tasks_per_node: 0", "tasks_per_node is 0: give at least 1"),
        ("tasks_per_node: 2.5", "tasks_per_node is 2.5"),
        ("gpus_per_task: yes", "gpus_per_task is "),
        ("cpus_per_task: -1", "cpus_per_task is -1"),
        ("start_seconds: never", "start_seconds is 'never'"),
        ("stall_seconds: -1", "stall_seconds is -1: give at least 0"),
        ("partition: no", "partition is "),
        ("partition: two words", "partition is 'two words': give one word"),
        ("launcher: slurm", "launcher is 'slurm': choose one of srun, mpi, horovodrun"),
        ("gpus: 4", "gpus is '4': write an option of sbatch"),
        ("gpus: '--gres=gpu:{n}'", "gpus is "),
        ("options: {qos: debug}", "options is "),
        ("options: [qos=debug]", "options holds 'qos=debug': write each option as one word, as --qos=debug"),
        ("options: --qos debug", "options holds 'debug'"),
        ('options: "--comment=\'a"', "options is .*No closing quotation"),
        ("setup: [module load A, module load B]", "setup is .*one text"),
        ("environment: [A=1]", "environment is .*a line 'NAME: value'"),
        ("environment: {'A; rm -rf $HOME': 1}", "environment: 'A; rm -rf .* cannot be the name of a variable"),
        ("environment: {1A: 1}", "environment: '1A' cannot be"),
        ("environment: {A: yes}", "environment: A is True: write its value as text, in quotes"),
        ("environment: {A: [1]}", "environment: A is "),
        ("environment: {A: }", "environment: A is None"),
        ("container: bigearth.sif", "container is 'bigearth.sif': write a command that ends with the image"),
        (
            "container: apptainer exec --nv",
            "container is 'apptainer exec --nv': write a command that ends with the image",
        ),
        ('container: "apptainer exec \'a"', "container is .*No closing quotation"),
        ("container: {image: bigearth.sif}", "container is "),
        ("partition", "must hold lines such as"),
        ("[partition]", "must hold lines such as"),
        ("partition: [", "not valid YAML"),
        ("partition: a\npartition: b", "stands twice"),
        ("1: 2", "unknown key 1"),
    ],
)
def test_values_that_cannot_be_meant_are_one_line(write_profile, text, message):
    write_profile(text)
    with pytest.raises(InputError, match=message) as caught:
        profiles.load("new")
    assert "new.yaml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "setting", "value"),
    [
        ("time: 10:00:00", "time", "10:00:00"),  # without quotes YAML 1.1 makes 36,000 of it
        ("time: 01:00:00", "time", "01:00:00"),
        ("time: 1-12", "time", "1-12"),
        ("time: 90", "time", "90"),  # minutes, as sbatch reads it
        ("options: --qos=debug", "options", ["--qos=debug"]),
        ("options: --qos=debug --exclusive", "options", ["--qos=debug", "--exclusive"]),
        ("options: [--qos=debug]", "options", ["--qos=debug"]),
        ("options:", "options", []),
        ("setup:", "setup", ""),
        ("setup: 'export PATH=$HOME/bin:$PATH'", "setup", "export PATH=$HOME/bin:$PATH"),
        ("environment:", "environment", {}),
        ("container:", "container", []),
        ("container: podman run --rm bigearth", "container", ["podman", "run", "--rm", "bigearth"]),
        ("environment: {A: 1, B: '0', C: x y}", "environment", {"A": "1", "B": "0", "C": "x y"}),
        ("partition: 4", "partition", "4"),
        ("tasks_per_node: '4'", "tasks_per_node", 4),
        ("", "mpi", "pmix"),
        ("start_seconds: 600", "start_seconds", 600),
    ],
)
def test_values_are_what_a_person_means(write_profile, text, setting, value):
    write_profile(text)
    assert getattr(profiles.load("new"), setting) == value


def test_patience_reaches_horovod(write_profile):
    write_profile("stall_seconds: 300")
    variables = profiles.load("new").job_environment()
    assert variables["HOROVOD_STALL_SHUTDOWN_TIME_SECONDS"] == "300"
    assert variables["HOROVOD_STALL_CHECK_TIME_SECONDS"] == "120"


def test_a_session_without_a_site_has_what_its_job_exported(monkeypatch):
    monkeypatch.setenv("SLURM_MPI_TYPE", "pspmix")
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "ib0")
    profile = profiles.read_session()
    assert (profile.name, profile.mpi, profile.interface) == ("", "pspmix", "ib0")


def test_commands_enter_the_image_with_its_own_python(write_profile, tmp_path):
    command = ["/here/.venv/bin/python", "-m", "bigearth"]
    assert profiles.Profile().enter_container(command) == command
    write_profile(f"container: apptainer exec --nv {tmp_path}/a.sif")
    entered = profiles.load("new").enter_container(command)
    bind = ["--bind", str(profiles.ROOT)]
    assert entered == ["apptainer", "exec", *bind, "--nv", f"{tmp_path}/a.sif", "python", "-m", "bigearth"]
    write_profile(f"container: /opt/apptainer/bin/apptainer exec {tmp_path}/a.sif")  # where PATH is not the host's
    assert profiles.load("new").enter_container(command)[:4] == ["/opt/apptainer/bin/apptainer", "exec", *bind]
    write_profile("container: podman run --rm bigearth")  # a name, not a file
    assert profiles.load("new").enter_container(command)[:5] == ["podman", "run", "--rm", "bigearth", "python"]


def test_an_image_that_is_not_there_is_one_line(write_profile, tmp_path):
    write_profile(f"container: apptainer exec {tmp_path}/a.sif")
    profile = profiles.load("new")
    with pytest.raises(InputError, match=r"new.yaml: container names the image .*a.sif, which is not there"):
        profile.check_image()
    (tmp_path / "a.sif").touch()
    profile.check_image()
    for text in ("podman run --rm bigearth", "apptainer exec docker://bigearth", ""):
        write_profile(f"container: {text}")
        profiles.load("new").check_image()
