"""Executing the runs of a study with papermill, each once."""

import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from bigearth import provenance
from bigearth.errors import InputError
from bigearth.files import ROOT, write_whole
from bigearth.parameters import escape
from bigearth.progress import LOG_SECONDS
from bigearth.study import earlier, kernel, pages
from bigearth.study.run import Run, unwritable

TO_BE_CONTINUED = 75  # exit status (EX_TEMPFAIL) of a training that stopped at its checkpoint
INTERRUPTED = 130  # exit status after Ctrl-C
KERNEL_START_SECONDS = 300  # patience; a login node can be slow
AUTOSAVE_SECONDS = 2


def run_all(runs: Sequence[Run], force: bool = False, dry_run: bool = False, in_job: bool = False) -> int:
    """Execute what is not finished, in order; what depends on a failed run is left out.

    An executed notebook grows in ``<stem>.partial.ipynb`` and becomes ``<stem>.ipynb`` when it is complete. A failed
    one stays partial; notebook and folder of the last complete execution stay as they were.

    Parameters
    ----------
    runs : sequence of Run
        All of one study, each after those it needs.
    force : bool
        Also what is finished.
    dry_run : bool
        Only print what would be done.
    in_job : bool
        This process is a Slurm job, one of several that execute the study at a time.

    Returns
    -------
    int
        Exit status: 0; 1 a run failed; 75 a training stopped and goes on when called again; 130 interrupted.
    """
    if dry_run:
        _print_states(runs, force)
        return 0
    kernel.register_with_papermill()
    outcomes: dict[str, str] = {}
    study_lock = nullcontext() if in_job else runs[0].lock_study("study")
    with study_lock, _sigterm_as_interrupt(), _progress_bar(len(runs)) as bar:
        for run in runs:
            outcomes[run.name] = _run_one(run, outcomes, force, bar, in_job)
            if outcomes[run.name] == "interrupted":
                return INTERRUPTED
            bar.update()
    if not in_job:
        render(runs[0].results)
    if "failed" in outcomes.values():
        return 1
    return TO_BE_CONTINUED if "stopped" in outcomes.values() else 0


def _print_states(runs: Sequence[Run], force: bool) -> None:
    for run in runs:
        state = "finished" if run.finished() and not force else "to do"
        print(f"{run.name:30} {state:9} {run.notebook.name} {json.dumps(run.parameters)}")


def _run_one(run: Run, outcomes: dict[str, str], force: bool, bar: tqdm, in_job: bool) -> str:
    """Execute a run if it needs that, and say how it went: done, left out, stopped, failed or interrupted."""
    blockers = [parent.name for parent in run.after if outcomes.get(parent.name, "done") != "done"]
    if blockers:
        bar.write(f"{run.name}: left out, for it needs {', '.join(blockers)}")
        return "left out"
    if run.finished() and not force:
        bar.write(f"{run.name}: finished before, unchanged")
        return "done"
    try:
        seconds = execute(run, force, bar, echo=in_job)
    except KeyboardInterrupt:
        bar.write(f"{run.name}: interrupted; so far: {_shorten_path(run.partial)}")
        return "interrupted"
    except PapermillExecutionError as error:
        bar.write(f"{run.name}: {_describe_failure(error)}; see {_shorten_path(run.partial)}")
        return "stopped" if error.ename == "Interrupted" else "failed"
    except RuntimeError as error:  # of the kernel
        reason = " ".join(str(error).split())
        bar.write(f"{run.name}: failed: {reason} (out of memory?); see {_shorten_path(run.partial)}")
        bar.write(f"{run.name}: what the kernel said last: {_shorten_path(run.kernel_log)}")
        return "failed"
    bar.write(f"{run.name}: done in {seconds:.0f} s")
    return "done"


def execute(run: Run, force: bool = False, bar: tqdm | None = None, echo: bool = False) -> float:
    """Execute one run.

    Parameters
    ----------
    run : Run
    force : bool
        Begin a training anew.
    bar : tqdm, optional
        Shows which cell runs.
    echo : bool
        Also print what the notebook prints: for the log of a job.

    Returns
    -------
    float
        Wall time, s.

    Raises
    ------
    InputError
        The results' folder cannot be written, it holds a notebook of somebody else, or another process executes this
        run.
    PapermillExecutionError
        A cell failed.
    """
    with run.lock():
        earlier.check_own(run)
        earlier.set_aside_training(run, force)
        started = time.time()
        try:
            before = earlier.set_aside_folder(run)
            outputs = run.read_state().get("outputs")
            known = {} if outputs is None else {"outputs": outputs}  # for the next call, if this one fails
            run.write_state(finished=False, **known)
            log = run.kernel_log.open("w")
        except OSError as error:
            raise unwritable(run.results, error) from None
        try:
            with log:
                notebook = _execute_notebook(run, log, bar, echo)
        except BaseException:
            shutil.rmtree(run.folder, ignore_errors=True)
            if before.exists():
                before.rename(run.folder)
            raise
        _finish(run, notebook, started, in_job=echo)
        earlier.keep_files_of_others(run, before, outputs)
        return time.time() - started


def _execute_notebook(run: Run, log: Any, bar: tqdm | None, echo: bool) -> nbformat.NotebookNode:
    progress = _CellProgress(run.name, bar, echo)
    return papermill.execute_notebook(
        run.notebook,
        run.partial,
        {name: escape(value) for name, value in run.parameters.items()},  # the notebook converts them again
        engine_name=kernel.ENGINE,
        kernel_manager_class=kernel.kernel_with_log(log),
        cell_starts=progress.show_cell,
        work_goes_on=progress.show_work,
        cwd=ROOT,
        progress_bar=False,
        autosave_cell_every=AUTOSAVE_SECONDS,
        start_timeout=KERNEL_START_SECONDS,
        coalesce_streams=True,
        stdout_file=sys.stdout if echo else None,
    )


def _finish(run: Run, notebook: nbformat.NotebookNode, started: float, in_job: bool) -> None:
    """Give the executed notebook its name, and write the run's provenance and state."""
    nbformat.validate(notebook)
    # names instead of absolute paths: the notebook is going to be read on other machines
    notebook.metadata.papermill.update(input_path=run.notebook.name, output_path=run.executed.name)
    with write_whole(run.partial) as whole:  # who reads it meanwhile finds no half
        nbformat.write(notebook, whole)
    tasks = run.resources.get("nodes", 1) * run.resources.get("tasks_per_node", 1)
    gpus = tasks * run.resources.get("gpus_per_task", 0) if in_job else 0
    workers = run.parameters.get("workers") or 1
    record = provenance.collect(run.all_parameters(), started, workers=workers, gpus=gpus)
    provenance.write(run.folder, {"study": run.study, "run": run.name, "notebook": run.notebook.name} | record)
    run.partial.replace(run.executed)
    run.accept_created_inputs()
    run.write_state(finished=True, outputs=[str(path) for path in run.outputs()])


# ---- what is shown ----


def render(results: Path) -> None:
    """Write the pages of a study's results, and say where to read them, or why one is missing."""
    try:
        print(f"read: {_shorten_path(pages.render(results))}")
    except InputError as error:
        print(f"pages: {error}")


def _describe_failure(error: PapermillExecutionError) -> str:
    """Say in one line which cell failed, and why."""
    first = ""
    for line in error.source.splitlines():
        if line.strip() and not line.startswith("#"):
            first = line.strip()[:60]
            break
    value = (error.evalue.splitlines() or [""])[0]
    verb = "stopped" if error.ename == "Interrupted" else "failed"
    return f"{verb} in cell [{error.exec_count}] ({first}): {error.ename}: {value}"


def _shorten_path(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


class _CellProgress:
    """Which cell of a run is executed, and how far its work is: on the bar, or now and then as a line of the log."""

    def __init__(self, name: str, bar: tqdm | None, echo: bool) -> None:
        self.name, self.bar = name, bar
        self.writes_lines = echo or (bar is not None and bar.disable)
        self.line, self.written = "", time.monotonic()

    def show_cell(self, number: int, of: int) -> None:
        if self.bar is not None:
            self.bar.set_description(f"{self.name} [{number}/{of}]")

    def show_work(self, line: str) -> None:
        if line == self.line:
            return
        self.line = line
        if not self.writes_lines:
            if self.bar is not None:
                self.bar.set_postfix_str(line)
        elif time.monotonic() - self.written > LOG_SECONDS:
            self.written = time.monotonic()
            print(f"{self.name}: {line}", flush=True)


class _Bar(tqdm):
    """A progress bar on a terminal; lines go to standard output."""

    @classmethod
    def write(cls, line: str, *args: Any, **kwargs: Any) -> None:
        tqdm.write(line, file=sys.stdout)


def _progress_bar(runs: int) -> tqdm:
    return _Bar(total=runs, unit="run", disable=not sys.stderr.isatty(), dynamic_ncols=True)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a study as Ctrl-C does: engines and kernels are stopped."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
