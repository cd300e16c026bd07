"""Sites: what a Slurm cluster calls its partition, GPUs, modules and network (``slurm/sites/<site>.yaml``)."""

import yaml

from bigearth.errors import InputError
from bigearth.files import ROOT

FOLDER = ROOT / "slurm" / "sites"
# why a job waits that will never start: it asks for more than the partition gives, yet Slurm has accepted it
NEVER = ("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints")
DEFAULTS = {
    "partition": None,
    "account": None,
    "tasks_per_node": 1,  # of a job that a notebook starts (launcher "slurm:<site>"); a study's runs say their own
    "cpus_per_task": None,  # of a task with a GPU
    "gpus_per_task": 0,
    "time": "01:00:00",
    "gpus": "--gpus-per-node={}",  # how this site's jobs ask for GPUs; {}: GPUs per node
    "mpi": "pmix",  # srun --mpi=
    "launcher": "srun",
    "interface": None,  # network between nodes: engines' controller, NCCL's and Gloo's sockets
    "warning": 120,  # s before the time limit at which a training is told to stop
    "options": [],  # more options of sbatch
    "environment": {},
    "setup": "",  # shell lines: modules, conda
}


def profile(site):
    """Settings of a site, completed by defaults.

    Parameters
    ----------
    site : str
        Name of a file in ``slurm/sites``.

    Returns
    -------
    dict

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
    try:
        settings = yaml.safe_load((FOLDER / f"{site}.yaml").read_text()) or {}
    except yaml.YAMLError as error:
        raise InputError(f"slurm/sites/{site}.yaml: not valid YAML: {' '.join(str(error).split())}") from None
    if unknown := set(settings) - set(DEFAULTS):
        raise InputError(f"slurm/sites/{site}.yaml: unknown key {min(unknown)!r}; known: {', '.join(DEFAULTS)}")
    return DEFAULTS | settings


def options(site, resources):
    """Options of sbatch and srun for a job.

    Parameters
    ----------
    site : dict
        A `profile`.
    resources : dict
        Of a run of a study.

    Returns
    -------
    list of str
    """
    tasks, gpus = resources.get("tasks_per_node", 1), resources.get("gpus_per_task", 0)
    asked = [f"--nodes={resources.get('nodes', 1)}", f"--ntasks-per-node={tasks}"]
    for key in ("partition", "account"):
        if site[key]:
            asked.append(f"--{key}={site[key]}")
    # the profile's cores are those of a GPU; tasks without one may be as many as a node has cores
    if cores := resources.get("cpus_per_task") or (gpus and site["cpus_per_task"]):
        asked.append(f"--cpus-per-task={cores}")
    if gpus:
        asked.append(site["gpus"].format(tasks * gpus))
    if "memory" in resources:
        asked.append(f"--mem={resources['memory']}")
    return [*asked, f"--time={resources.get('time', site['time'])}", *site["options"]]


def environment(site):
    """Environment of a job, beside what the user's session has."""
    network = {}
    if site["interface"]:
        network = {"NCCL_SOCKET_IFNAME": site["interface"], "HOROVOD_GLOO_IFACE": site["interface"]}
    return {"SLURM_MPI_TYPE": site["mpi"], **network, **{key: str(value) for key, value in site["environment"].items()}}


def srun(site, workers):
    """Command that runs what follows it on ``workers`` ranks of a Slurm job of its own."""
    per_node = min(workers, site["tasks_per_node"])
    nodes, rest = divmod(workers, per_node)
    if rest:
        raise InputError(f"workers is {workers}: not a multiple of this site's {per_node} tasks a node")
    asked = {"nodes": nodes, "tasks_per_node": per_node, "gpus_per_task": site["gpus_per_task"]}
    return [
        "srun",
        "--job-name=bigearth-engines",
        f"--mpi={site['mpi']}",
        "--kill-on-bad-exit=1",
        f"--ntasks={workers}",
    ] + (options(site, asked))
