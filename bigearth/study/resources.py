"""The resources that a run of a study asks Slurm for."""

import re
from typing import Any

from bigearth.errors import InputError
from bigearth.study.keys import check_keys

RESOURCES = {
    "nodes": "list[int]",
    "tasks_per_node": "int",
    "gpus_per_task": "int",
    "cpus_per_task": "int",
    "memory": "str",
    "time": "str",
}
EXAMPLES = {"time": "write hours:minutes:seconds, for example 10:00:00", "memory": "write for example 64G"}
TIME = re.compile(r"(\d+-)?\d{1,3}:[0-5]\d:[0-5]\d", re.ASCII)
MEMORY = re.compile(r"[1-9]\d*[KMGTkmgt]", re.ASCII)


def check_resources(asked: dict[str, Any], where: str) -> dict[str, Any]:
    """Convert and check resources; ``nodes`` becomes a list of the numbers of nodes.

    Raises
    ------
    InputError
        A resource is unknown or none that Slurm could give.
    """
    if "nodes" in asked and isinstance(asked["nodes"], int | float):
        asked = asked | {"nodes": [asked["nodes"]]}
    for key in EXAMPLES:  # a bare number could be meant in several units
        if isinstance(asked.get(key), int | float):
            raise InputError(f"{where}: {key} is {asked[key]!r}; {EXAMPLES[key]}")
    resources = check_keys(asked, RESOURCES, where)
    for key, value in resources.items():
        _check_count(value, 0 if key == "gpus_per_task" else 1, f"{where}: {key}")
    if "time" in resources:
        _check_time(resources["time"], where)
    if "memory" in resources and not MEMORY.fullmatch(resources["memory"]):
        raise InputError(f"{where}: memory is {resources['memory']!r}; {EXAMPLES['memory']}")
    return resources


def _check_count(value: Any, smallest: int, where: str) -> None:
    """Raise InputError where a number, or one of a list, is too small."""
    counts = value if isinstance(value, list) else [value]
    if isinstance(value, str):
        return
    if not counts or min(counts) < smallest:
        raise InputError(f"{where} is {value}; it must be {smallest} or more")


def _check_time(text: str, where: str) -> None:
    if not TIME.fullmatch(text):
        raise InputError(f"{where}: time is {text!r}; {EXAMPLES['time']}")
    if not re.search(r"[1-9]", text):
        raise InputError(f"{where}: time is {text!r}; Slurm takes that for no limit: give the run's time")
