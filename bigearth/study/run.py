"""A run of a study: one notebook to execute, what it depends on, whether it is finished, and its lock."""

import hashlib
import json
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat

from bigearth.declarations import Parameter
from bigearth.errors import InputError
from bigearth.files import locked, resolve, write_whole
from bigearth.study.inputs import read_inputs


@dataclass(eq=False)
class Run:
    """One notebook to execute.

    Attributes
    ----------
    study : str
        Name of the study.
    study_file : Path
        Its YAML.
    name : str
        What ``after``, ``--run`` and Slurm call the run.
    notebook : Path
    stem : str
        Name of its files in ``results``.
    parameters : dict
        What the notebook gets.
    declared : dict
        Every parameter that the notebook declares, as a `Parameter`.
    resources : dict
        For Slurm: nodes, tasks_per_node, gpus_per_task, cpus_per_task, memory, time.
    results, workdir : Path
    after : tuple of Run
        The runs it needs.
    """

    study: str
    study_file: Path
    name: str
    notebook: Path
    stem: str
    parameters: dict[str, Any]
    declared: dict[str, Parameter]
    resources: dict[str, Any]
    results: Path
    workdir: Path
    after: tuple["Run", ...] = ()
    _inputs: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _fingerprint: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    # ---- its places ----

    @property
    def state_folder(self) -> Path:
        """Folder of the runs' states, locks and logs, beside the results."""
        return self.workdir / "studies" / self.study

    @property
    def executed(self) -> Path:
        """The executed notebook."""
        return self.results / f"{self.stem}.ipynb"

    @property
    def partial(self) -> Path:
        """The executed notebook while it runs, and after it failed."""
        return self.results / f"{self.stem}.partial.ipynb"

    @property
    def folder(self) -> Path:
        """Tables and figures that the notebook writes."""
        return self.results / self.stem

    @property
    def job_log(self) -> Path:
        """File for the output of a Slurm job."""
        return self.state_folder / f"{self.stem}.log"

    @property
    def kernel_log(self) -> Path:
        """File for the output of libraries that does not reach the notebook."""
        return self.state_folder / f"{self.stem}.kernel.log"

    # ---- its parameters ----

    def all_parameters(self) -> dict[str, Any]:
        """All parameters of the notebook: those that it is given, and the defaults of the others."""
        defaults = {name: parameter.default for name, parameter in self.declared.items()}
        return defaults | self.parameters

    # ---- its state ----

    def fingerprint(self) -> dict[str, str]:
        """Digests of what the result depends on: ``input`` without the notebook's code, ``all`` with it.

        It is computed when it is first asked for, which is before the run is executed.
        """
        if not self._fingerprint:
            self._inputs = read_inputs(self.all_parameters(), self.workdir)
            self._fingerprint = self._compute_fingerprint()
        return self._fingerprint

    def accept_created_inputs(self) -> None:
        """Add what the run itself created, such as the generated archive, to its inputs."""
        self.fingerprint()
        for name, found in read_inputs(self.all_parameters(), self.workdir).items():
            if self._inputs[name] is None:
                self._inputs[name] = found
        self._fingerprint = self._compute_fingerprint()

    def finished(self) -> bool:
        """Whether it was executed with this notebook, parameters and inputs, and all it wrote is still there."""
        state = self.read_state()
        if not state.get("finished"):
            return False
        is_same = state["fingerprint"]["all"] == self.fingerprint()["all"]
        return is_same and all(Path(output).exists() for output in state["outputs"])

    def read_state(self) -> dict[str, Any]:
        """The state as `write_state` left it; empty where there is none, or a damaged one: the run is executed anew."""
        try:
            state = json.loads(self._state_file.read_text())
            if isinstance(state["fingerprint"]["all"], str) and isinstance(state["fingerprint"]["input"], str):
                is_whole = all(isinstance(output, str) for output in state.get("outputs", []))
                return state if is_whole else {}
        except (OSError, ValueError, LookupError, TypeError):
            pass
        return {}

    def write_state(self, **state: Any) -> None:
        """Keep the fingerprint with ``finished`` and ``outputs``."""
        content = {"fingerprint": self.fingerprint(), **state}
        with write_whole(self._state_file) as partial:
            partial.write_text(json.dumps(content, indent=1) + "\n")

    def outputs(self) -> list[Path]:
        """Files that the run has written: all of them must still be there for it to count as finished."""
        written = [self.executed, *sorted(self.folder.rglob("*"))]
        if "cube" in self.parameters:
            written.append(resolve(self.parameters["cube"]))
        if "run" in self.parameters:
            written.append(self.workdir / "runs" / self.parameters["run"] / "predictions.h5")
        return [path for path in written if path.exists()]

    # ---- lock ----

    def lock(self) -> AbstractContextManager[None]:
        """Lock the run while it is executed; InputError where another process, such as a job, executes it."""
        return locked(self.state_folder / f"run-{self.stem}.lock", f"run {self.name} of study {self.study}")

    def lock_study(self, purpose: str) -> AbstractContextManager[None]:
        """Lock the whole study for one purpose: "study" (execution here) or "submission"."""
        return locked(self.state_folder / f"{purpose}.lock", f"study {self.study}")

    def check_writable(self) -> None:
        """Raise InputError where the run's results cannot be written."""
        try:
            self.results.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.results).close()
        except OSError as error:
            raise unwritable(self.results, error) from None

    @property
    def _state_file(self) -> Path:
        return self.state_folder / f"{self.stem}.json"

    def _compute_fingerprint(self) -> dict[str, str]:
        # the launcher starts the same workers in another way
        parameters = {name: value for name, value in self.parameters.items() if name != "launcher"}
        parents = [parent.fingerprint()["input"] for parent in self.after]
        inputs = json.dumps([self.notebook.name, parameters, self._inputs, parents], sort_keys=True, default=str)
        cells = nbformat.read(self.notebook, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        return {
            "input": hashlib.sha256(inputs.encode()).hexdigest(),
            "all": hashlib.sha256(f"{inputs}\n{code}".encode()).hexdigest(),
        }


@dataclass(frozen=True)
class Study:
    """A validated study; its runs in an order in which each comes after those it needs."""

    name: str
    path: Path
    runs: tuple[Run, ...]

    def renew(self) -> "Study":
        """The same study with fingerprints that are computed again: its inputs may have changed since."""
        return self.change_runs({})

    def change_runs(self, changes: dict[str, dict[str, Any]]) -> "Study":
        """Copy the study with other attributes of some runs, given by name; ``after`` names the copies."""
        copies: dict[str, Run] = {}
        for run in self.runs:
            parents = tuple(copies[parent.name] for parent in run.after)
            copies[run.name] = replace(run, after=parents, **changes.get(run.name, {}))
        return replace(self, runs=tuple(copies.values()))


def unwritable(folder: Path, error: OSError) -> InputError:
    """The error that a folder for results cannot be written."""
    return InputError(f"{folder}: cannot be written ({error.strerror}); choose another results or workdir")
