"""Site profiles: what a Slurm cluster calls its partition, GPUs, modules and network (``slurm/sites/<site>.yaml``)."""

import os
import re
import shlex
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bigearth.errors import InputError
from bigearth.files import ROOT, resolve
from bigearth.parameters import convert, shorten, suggest
from bigearth.yaml_files import read_yaml

FOLDER = ROOT / "slurm" / "sites"
LAUNCHERS_OF_RUNS = ("srun", "mpi", "horovodrun")
# of the settings that are numbers; stall_seconds 0: workers wait for ever
SMALLEST = {
    "tasks_per_node": 1,
    "cpus_per_task": 1,
    "gpus_per_task": 0,
    "warning": 1,
    "start_seconds": 1,
    "stall_seconds": 0,
}
# what runs a command in an image that is a file or a folder
RUN_FROM_FILES = (("apptainer", "exec"), ("singularity", "exec"))
IMAGE_PYTHON = "python"  # of the image's PATH
ONE_WORD = ("partition", "account", "mpi", "interface")
# minutes, minutes:seconds, hours:minutes:seconds, and days in front of hours, as sbatch reads them
TIME = re.compile(r"\d+|\d+:\d\d(:\d\d)?|\d+-\d+(:\d\d){0,2}", re.ASCII)
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
STALL_VARIABLE = "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS"
STALL_WARNING_VARIABLE = "HOROVOD_STALL_CHECK_TIME_SECONDS"


@dataclass(frozen=True)
class Profile:
    """Settings of a site; a setting that its file leaves out has the default given here."""

    name: str = ""  # none: what is known without a profile
    partition: str | None = None
    account: str | None = None
    tasks_per_node: int = 1  # of a job that a notebook starts (launcher "slurm:<site>"); a study's runs say their own
    cpus_per_task: int | None = None  # of a task with a GPU
    gpus_per_task: int = 0
    time: str = "01:00:00"
    gpus: str = "--gpus-per-node={}"  # how this site's jobs ask for GPUs; {}: GPUs per node
    mpi: str = "pmix"  # srun --mpi=
    launcher: str = "srun"  # what starts the workers of a study's runs
    interface: str | None = None  # network between nodes: engines' controller, NCCL's and Gloo's sockets
    warning: int = 120  # s before the time limit at which a training is told to stop
    start_seconds: int = 110  # that workers may take to start: about 7 s; on many nodes, with cold disks, a minute
    stall_seconds: int = 50  # that a worker may keep the others waiting before they give up
    options: list[str] = field(default_factory=list)  # more options of sbatch
    environment: dict[str, str] = field(default_factory=dict)
    setup: str = ""  # shell lines: modules, conda
    container: list[str] = field(default_factory=list)  # what runs a command in an image: apptainer exec IMAGE

    def job_options(self, resources: dict[str, Any]) -> list[str]:
        """Return the options of sbatch and srun for a job.

        Parameters
        ----------
        resources : dict
            Of a study's run: nodes, tasks_per_node, gpus_per_task, cpus_per_task, memory, time.
        """
        tasks = resources.get("tasks_per_node", 1)
        gpus = resources.get("gpus_per_task", 0)
        options = [f"--nodes={resources.get('nodes', 1)}", f"--ntasks-per-node={tasks}"]
        if self.partition:
            options.append(f"--partition={self.partition}")
        if self.account:
            options.append(f"--account={self.account}")
        cores = resources.get("cpus_per_task")
        if not cores and gpus:  # the profile's cores are those of a GPU; tasks without one may be as many as cores
            cores = self.cpus_per_task
        if cores:
            options.append(f"--cpus-per-task={cores}")
        if gpus:
            options.append(self.gpus.replace("{}", str(tasks * gpus)))
        if "memory" in resources:
            options.append(f"--mem={resources['memory']}")
        options.append(f"--time={resources.get('time', self.time)}")
        return options + self.options

    def job_environment(self) -> dict[str, str]:
        """Return the environment variables of a job, beside those of the user's session."""
        variables = {"SLURM_MPI_TYPE": self.mpi}
        if self.interface:
            variables["NCCL_SOCKET_IFNAME"] = self.interface
            variables["HOROVOD_GLOO_IFACE"] = self.interface
        variables[STALL_VARIABLE] = str(self.stall_seconds)
        if self.stall_seconds:
            variables[STALL_WARNING_VARIABLE] = str(max(1, self.stall_seconds * 2 // 5))
        return variables | self.environment

    def srun_command(self, workers: int) -> list[str]:
        """Return the srun command that runs what follows it on ``workers`` ranks of a Slurm job of its own.

        Raises InputError where the workers do not fill the job's nodes evenly.
        """
        per_node = min(workers, self.tasks_per_node)
        nodes, rest = divmod(workers, per_node)
        if rest:
            raise InputError(f"workers is {workers}: not a multiple of this site's {per_node} tasks per node")
        resources = {"nodes": nodes, "tasks_per_node": per_node, "gpus_per_task": self.gpus_per_task}
        command = ["srun", "--job-name=bigearth-engines", f"--mpi={self.mpi}", "--kill-on-bad-exit=1"]
        command.append(f"--ntasks={workers}")
        return command + self.job_options(resources)

    def enter_container(self, command: list[str]) -> list[str]:
        """Return a command line of this environment's Python as a job starts it: in the site's image, if it has one.

        The image has a Python of its own, and gets to see the project's folder.
        """
        if not self.container:
            return command
        runtime = self.container[:-1]
        image = self.find_image()
        if image:
            runtime[2:2] = ["--bind", str(ROOT)]
        return [*runtime, str(image or self.container[-1]), IMAGE_PYTHON, *command[1:]]

    def find_image(self) -> Path | None:
        """Return the file or folder of the site's image; None where it is a name that the runtime looks up."""
        if not self.container or "://" in self.container[-1]:
            return None
        if (Path(self.container[0]).name, self.container[1]) not in RUN_FROM_FILES:
            return None
        return resolve(self.container[-1])

    def check_image(self) -> None:
        """Raise InputError where the image's file is not there; inside a container it cannot be seen."""
        image = self.find_image()
        if image and not image.exists():
            raise InputError(
                f"slurm/sites/{self.name}.yaml: container names the image {image}, which is not there: build it as "
                "slurm/container/README.md says, or correct the path"
            )

    def where_to_set(self, setting: str) -> str:
        """Say for a message where a setting is changed."""
        if self.name:
            return f"{setting} in slurm/sites/{self.name}.yaml"
        return f'{setting} of a site\'s profile, named after the launcher as in "mpi:SITE" (slurm/README.md)'


def read_session() -> Profile:
    """Return the profile of a session that names no site: defaults, and what a job's script has exported."""
    mpi = os.environ.get("SLURM_MPI_TYPE") or Profile.mpi
    return Profile(mpi=mpi, interface=os.environ.get("NCCL_SOCKET_IFNAME") or None)


def load(site: str) -> Profile:
    """Load and check the profile of a site.

    Parameters
    ----------
    site : str
        Name of a file in ``slurm/sites``.

    Raises
    ------
    InputError
        There is no such site, or a line of its file cannot be meant.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if site not in known:
        raise InputError(
            f"site {shorten(site)} is unknown; slurm/sites has {', '.join(known)}; slurm/README.md says how to add one"
        )
    where = f"slurm/sites/{site}.yaml"
    settings = read_yaml(FOLDER / f"{site}.yaml", "site profile")
    if settings is None:
        settings = {}
    if not isinstance(settings, dict):
        raise InputError(f"{where} must hold lines such as 'partition: main'; see slurm/sites/generic.yaml")
    types = typing.get_type_hints(Profile)
    del types["name"]
    converted = {}
    for name, value in settings.items():
        if name not in types:
            raise InputError(f"{where}: unknown key {name!r}; {suggest(name, types)}")
        if value is None:  # a line that is left empty
            continue
        converted[name] = _convert_setting(f"{where}: {name}", name, value, types[name])
    return Profile(site, **converted)


def _convert_setting(where: str, name: str, value: Any, annotation: Any) -> Any:
    """Convert a setting to its type and check its range; InputError where it cannot be meant."""
    if name in CONVERSIONS:
        return CONVERSIONS[name](where, value)
    value = convert(where, value, annotation)
    if name in SMALLEST and value is not None and value < SMALLEST[name]:
        raise InputError(f"{where} is {value}: give at least {SMALLEST[name]}")
    if name in ONE_WORD and value is not None and not re.fullmatch(r"[^\s'\"]+", value):
        raise InputError(f"{where} is {value!r}: give one word, without blanks or quotes")
    if name == "time" and not TIME.fullmatch(value):
        raise InputError(f'{where} is {value!r}: write hours:minutes:seconds, as "10:00:00"')
    if name == "time" and not re.search(r"[1-9]", value):
        raise InputError(f"{where} is {value!r}: Slurm takes that for no limit; give the longest time of a job")
    if name == "launcher" and value not in LAUNCHERS_OF_RUNS:
        raise InputError(f"{where} is {value!r}: choose one of {', '.join(LAUNCHERS_OF_RUNS)}")
    if name == "gpus" and not re.fullmatch(r"--[^\s{}]*(\{\}[^\s{}]*)?", value):
        raise InputError(f'{where} is {value!r}: write an option of sbatch, as "--gres=gpu:{{}}"')
    return value


def _check_setup(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where} is {value!r}: write shell lines as one text, below 'setup: |'")
    return value


def _convert_environment(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InputError(f"{where} is {value!r}: write a line 'NAME: value' for each variable")
    variables = {}
    for name, content in value.items():
        if not VARIABLE_NAME.fullmatch(str(name)):
            raise InputError(f"{where}: {name!r} cannot be the name of a variable: use letters, digits and _")
        # true, no and an empty line are not what a shell would write
        if isinstance(content, bool) or not isinstance(content, str | int | float):
            raise InputError(f"{where}: {name} is {content!r}: write its value as text, in quotes")
        variables[name] = convert(f"{where}: {name}", content, str)
    return variables


def _convert_options(where: str, value: Any) -> list[str]:
    """Options of sbatch: a list, or a text as on a command line."""
    options = _convert_words(where, value, "[--qos=debug]")
    for option in options:
        if not re.match(r"--?[A-Za-z]", option):
            raise InputError(f"{where} holds {option!r}: write each option as one word, as --qos=debug")
    return options


def _convert_container(where: str, value: Any) -> list[str]:
    """The command that runs what follows it in an image: at least the runtime, its subcommand and the image."""
    words = _convert_words(where, value, "[apptainer, exec, bigearth.sif]")
    if words and (len(words) < 3 or words[-1].startswith("-")):
        raise InputError(
            f"{where} is {value!r}: write a command that ends with the image, as apptainer exec bigearth.sif"
        )
    return words


def _convert_words(where: str, value: Any, example: str) -> list[str]:
    """A list of words, or a text as on a command line."""
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError as error:
            raise InputError(f"{where} is {value!r} ({error}): write a list, as {example}") from None
    return convert(where, value, list[str])


# of the settings that are more than one value
CONVERSIONS: dict[str, Callable[[str, Any], Any]] = {
    "setup": _check_setup,
    "environment": _convert_environment,
    "options": _convert_options,
    "container": _convert_container,
}
