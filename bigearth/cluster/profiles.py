"""Site profiles: what a Slurm cluster calls its partition, GPUs, modules and network (``slurm/sites/<site>.yaml``)."""

from dataclasses import dataclass, field, fields
from typing import Any

import yaml

from bigearth.errors import InputError
from bigearth.files import ROOT

FOLDER = ROOT / "slurm" / "sites"


@dataclass(frozen=True)
class Profile:
    """Settings of a site; a setting that its file leaves out has the default given here."""

    name: str
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
    options: list[str] = field(default_factory=list)  # more options of sbatch
    environment: dict[str, Any] = field(default_factory=dict)
    setup: str = ""  # shell lines: modules, conda

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
            options.append(self.gpus.format(tasks * gpus))
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
        for name, value in self.environment.items():
            variables[name] = str(value)
        return variables

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


def load(site: str) -> Profile:
    """Load and check the profile of a site.

    Parameters
    ----------
    site : str
        Name of a file in ``slurm/sites``.

    Raises
    ------
    InputError
        There is no such site, or its file has an unknown key.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if site not in known:
        raise InputError(
            f"site {site!r} is unknown; slurm/sites has {', '.join(known)}; slurm/README.md says how to add one"
        )
    where = f"slurm/sites/{site}.yaml"
    try:
        settings = yaml.safe_load((FOLDER / f"{site}.yaml").read_text()) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    keys = [setting.name for setting in fields(Profile) if setting.name != "name"]
    unknown = set(settings) - set(keys)
    if unknown:
        raise InputError(f"{where}: unknown key {min(unknown)!r}; known: {', '.join(keys)}")
    return Profile(site, **settings)
