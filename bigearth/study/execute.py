"""Executing the runs of a study with papermill, each once."""

import ast
import json
import logging
import shutil
import signal
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import nbformat
import papermill
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import papermill_io
from tqdm import tqdm

from bigearth import provenance
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study import run as run_state
from bigearth.study.kernel import AtomicHandler, Engine, Kernel
from bigearth.study.run import fingerprint, finished, locked, partial

TO_BE_CONTINUED = 75  # exit status (EX_TEMPFAIL) of a training that stopped at its checkpoint


def run_all(study, runs, force=False, dry_run=False, in_job=False):
    """Execute what is not finished, in order; what depends on a failed run is left out.

    An executed notebook grows in ``<stem>.partial.ipynb`` and becomes ``<stem>.ipynb`` when it is complete. A failed
    one stays partial; notebook and folder of the last complete execution stay as they were.

    Returns
    -------
    int
        Exit status: 0; 1 a run failed; 75 a training stopped and goes on when called again; 130 interrupted.
    """
    if dry_run:
        for run in runs:
            state = "finished" if finished(study, run) and not force else "to do"
            print(f"{run.name:30} {state:9} {run.notebook.name} {json.dumps(run.parameters)}")
        return 0
    outcome, status = {}, 0
    study_lock = nullcontext() if in_job else locked(study, runs[0], "study")  # several jobs are at it at a time
    with study_lock, _terminable(), _bar(runs) as bar:
        for run in runs:
            blockers = [name for name in run.after if outcome.get(name, "done") != "done"]
            if blockers:
                outcome[run.name] = "left out"
                bar.write(f"{run.name}: left out, for it needs {', '.join(blockers)}")
            elif finished(study, run) and not force:
                outcome[run.name] = "done"
                bar.write(f"{run.name}: finished before, unchanged")
            else:
                try:
                    seconds = execute(study, run, force, bar, echo=in_job)
                    outcome[run.name] = "done"
                    bar.write(f"{run.name}: done in {seconds:.0f} s")
                except KeyboardInterrupt:
                    bar.write(f"{run.name}: interrupted; so far: {_shown(partial(run))}")
                    return 130
                except (PapermillExecutionError, RuntimeError) as error:  # the latter: of the kernel
                    outcome[run.name] = "failed"
                    stopped = getattr(error, "ename", "") == "Interrupted"
                    status = TO_BE_CONTINUED if stopped and status != 1 else 1
                    bar.write(f"{run.name}: {_message(error)}; see {_shown(partial(run))}")
                    if not isinstance(error, PapermillExecutionError):
                        bar.write(f"{run.name}: what the kernel said last: {_shown(kernel_log(study, run))}")
            bar.update()
    if not in_job:
        render(runs[0].results)
    return status if "failed" in outcome.values() else 0


def execute(study, run, force=False, bar=None, echo=False):
    """Execute one run; wall time in s.

    Raises
    ------
    InputError
        The results' folder cannot be written, or another process, such as a job, executes this run.
    PapermillExecutionError
        A cell failed.
    """
    with locked(study, run, f"run-{run.stem}"):
        return _execute(study, run, force, bar, echo)


def _execute(study, run, force, bar, echo):
    mark = fingerprint(study, run)
    _make_way(study, run, mark, force)
    folder, before = run.results / run.stem, run.results / f".{run.stem}.before"
    try:
        run.results.mkdir(parents=True, exist_ok=True)
        if before.exists():  # the process was killed the last time
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.exists():
            folder.rename(before)
        run_state.write(study, run, {"fingerprint": mark, "finished": False})
        log = kernel_log(study, run).open("w")
    except OSError as error:
        raise InputError(
            f"{run.results}: cannot be written ({error.strerror}); choose another results or workdir"
        ) from None
    started = time.time()
    try:
        notebook = papermill.execute_notebook(
            run.notebook, partial(run), run.parameters, engine_name="bigearth", cwd=ROOT, progress_bar=False,
            autosave_cell_every=2, start_timeout=300, coalesce_streams=True,
            kernel_manager_class=type("_Logged", (Kernel,), {"stderr": log}),
            stdout_file=sys.stdout if echo else None,
            cell_starts=lambda number, of: bar is not None and bar.set_description(f"{run.name} [{number}/{of}]"),
        )  # fmt: skip
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if before.exists():
            before.rename(folder)
        raise
    finally:
        log.close()
    nbformat.validate(notebook)
    # names instead of this machine's paths: the notebook is going to be read elsewhere
    notebook.metadata.papermill.update(input_path=run.notebook.name, output_path=f"{run.stem}.ipynb")
    nbformat.write(notebook, partial(run))
    tasks = run.resources.get("nodes", 1) * run.resources.get("tasks_per_node", 1)
    gpus = tasks * run.resources.get("gpus_per_task", 0) if echo else 0
    workers = run.parameters.get("workers") or 1
    record = provenance.collect(_all_parameters(run), started, workers=workers, gpus=gpus)
    provenance.write(folder, {"study": study.name, "run": run.name, "notebook": run.notebook.name} | record)
    partial(run).replace(run.results / f"{run.stem}.ipynb")
    shutil.rmtree(before, ignore_errors=True)
    outputs = [str(path) for path in run_state.outputs(run)]
    run_state.write(study, run, {"fingerprint": mark, "finished": True, "outputs": outputs})
    return time.time() - started


def kernel_log(study, run):
    """Where a kernel's libraries write past the notebook; the log of a Slurm job is another file."""
    return run_state.folder(study, run) / f"{run.stem}.kernel.log"


def _make_way(study, run, mark, force):
    """A training that was asked to differ from the one in its folder starts anew; the old one is kept beside."""
    before = run_state.read(study, run).get("fingerprint")
    name = run.parameters.get("run")
    if name and (force or (before and before["input"] != mark["input"])):
        folder = run.workdir / "runs" / name
        if folder.exists():
            shutil.rmtree(folder.with_name(f"{name}.old"), ignore_errors=True)
            folder.rename(folder.with_name(f"{name}.old"))


def _all_parameters(run):
    return {key: run.parameters.get(key, _value(default)) for key, default in run.declared.items()}


def _value(text):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def _message(error):
    if not isinstance(error, PapermillExecutionError):
        return f"failed: {' '.join(str(error).split())} (out of memory?)"
    first = next((line for line in error.source.splitlines() if line.strip() and not line.startswith("#")), "")
    value = (error.evalue.splitlines() or [""])[0]
    verb = "stopped" if error.ename == "Interrupted" else "failed"
    return f"{verb} in cell [{error.exec_count}] ({first.strip()[:60]}): {error.ename}: {value}"


def _shown(path):
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def render(results):
    """Write the pages of a study's results, and say where to read them."""
    from bigearth.study import pages

    print(f"read: {_shown(Path(pages.render(results)))}")


def _bar(runs):
    bar = tqdm(total=len(runs), unit="run", disable=not sys.stderr.isatty(), dynamic_ncols=True)
    bar.write = lambda line: tqdm.write(line, file=sys.stdout)
    return bar


@contextmanager
def _terminable():
    """SIGTERM ends a study as Ctrl-C does: engines and kernels are stopped."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns when a save takes long

papermill_engines.register("bigearth", Engine)

papermill_io.register(str(Path("/")), AtomicHandler())
