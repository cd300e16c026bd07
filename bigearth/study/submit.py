"""Submitting a study to Slurm, one job per run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bigearth.cluster.profiles import Profile
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study.run import Run, Study
from bigearth.study.watch import name_job, read_jobs, warn_of_stuck_jobs, watch

TEMPLATE = ROOT / "slurm" / "job.sh.template"
# a requeued job goes on with what its first start made anew
FIRST_START_FORCES = ' $([ "${SLURM_RESTART_COUNT:-0}" = 0 ] && echo --force)'
PLAIN_OPTION = re.compile(r"[\w@%+=:,./-]+", re.ASCII)  # what sbatch reads without quotes


def place_runs(study: Study, site: Profile) -> Study:
    """The study as it is executed in jobs of a site: with the site's launcher, one worker per task."""
    changes: dict[str, dict[str, Any]] = {}
    for run in study.runs:
        resources = {"tasks_per_node": run.parameters.get("workers") or 1} | run.resources
        parameters = dict(run.parameters)
        if "launcher" in run.declared:
            parameters["launcher"] = f"{site.launcher}:{site.name}"
        if "workers" in run.declared:
            parameters["workers"] = resources["nodes"] * resources["tasks_per_node"]
        changes[run.name] = {"resources": resources, "parameters": parameters}
    return study.change_runs(changes)


def submit(
    study: Study,
    runs: Sequence[Run],
    site: Profile,
    force: bool = False,
    dry_run: bool = False,
    follow: bool = False,
) -> int:
    """Submit what is neither finished nor in the queue, each job after those it needs.

    Parameters
    ----------
    study : Study
        As `place_runs` gives it.
    runs : sequence of Run
        Those of the study to submit, in its order.
    site : Profile
    force : bool
        Also what is finished.
    dry_run : bool
        Print the scripts only.
    follow : bool
        Then follow the jobs to their end.

    Returns
    -------
    int
        Exit status: 0; 1 if a job will never start or a followed run ended unfinished; 130 if it was interrupted.

    Raises
    ------
    InputError
        Results that cannot be written, no Slurm here, or Slurm refuses a job: its message. Then none of this call's
        jobs stays.
    """
    if dry_run:
        scripts = [fill_script(run, site, force) for run in runs]
        print("\n".join(scripts), end="")
        return 0
    if not shutil.which("sbatch"):
        raise InputError("no Slurm here: sbatch was not found; leave out --slurm to run the study on this machine")
    site.check_image()
    for run in runs:
        run.check_writable()
    with runs[0].lock_study("submission"):
        active = {name: job.id for name, job in read_jobs(study.name).items() if job.is_active}
        submitted = _submit_runs(runs, site, force, active)
    print(f"scripts and logs: {runs[0].state_folder}")
    going = [run for run in runs if run.name in active or run.name in submitted]
    if not (follow and going):
        return warn_of_stuck_jobs(study, submitted)
    try:
        return watch(study, going)
    except KeyboardInterrupt:
        jobs = " ".join((active | submitted).values())
        print(f"no longer watched; the jobs go on, `scancel {jobs}` would end them")
        return 130


def _submit_runs(runs: Sequence[Run], site: Profile, force: bool, active: dict[str, str]) -> dict[str, str]:
    """Submit runs in their order; ``active`` and what is returned: run name to job id."""
    submitted: dict[str, str] = {}
    print(f"{'run':32} {'job':>9}  after")
    for run in runs:
        if run.name in active:
            print(f"{run.name:32} {active[run.name]:>9}  in the queue already")
            continue
        jobs = active | submitted
        needed = [jobs[parent.name] for parent in run.after if parent.name in jobs]
        if not needed and not force and run.finished():
            print(f"{run.name:32} {'-':>9}  finished before, unchanged")
            continue
        try:
            submitted[run.name] = _submit_job(run, site, force, needed)
        except InputError:
            if submitted:
                subprocess.run(["scancel", *submitted.values()])
            raise
        print(f"{run.name:32} {submitted[run.name]:>9}  {', '.join(needed)}")
    return submitted


def _submit_job(run: Run, site: Profile, force: bool, needed: list[str]) -> str:
    """Submit one run after the jobs that it needs; the new job's id."""
    path = run.state_folder / f"{run.stem}.sh"
    path.write_text(fill_script(run, site, force))
    command = ["sbatch", "--parsable"]
    if needed:
        # without the second option a job whose predecessor failed would wait for ever
        command += [f"--dependency=afterok:{':'.join(needed)}", "--kill-on-invalid-dep=yes"]
    environment = leave_allocation(os.environ)
    answer = subprocess.run([*command, str(path)], capture_output=True, text=True, env=environment)
    if answer.returncode:
        raise InputError(f"run {run.name}: {' '.join(answer.stderr.split())}")
    return answer.stdout.strip().partition(";")[0]


def fill_script(run: Run, site: Profile, force: bool = False) -> str:
    """The script of a run's job; it can be submitted by hand, too."""
    command = [sys.executable, "-m", "bigearth", "study", str(run.study_file), "--run", run.name, "--job", site.name]
    options = [
        f"--job-name={name_job(run)}",
        f"--chdir={ROOT}",
        f"--output={str(run.job_log).replace('%', '%%')}",
        f"--signal=USR1@{site.warning}",
        *site.job_options(run.resources),
    ]
    exports = [f"export {name}={shlex.quote(value)}" for name, value in site.job_environment().items()]
    values = {
        "RUN": run.name,
        "AFTER": ", ".join(parent.name for parent in run.after) or "nothing",
        "FOLDER": shlex.quote(str(run.state_folder)),
        "OPTIONS": "\n".join(f"#SBATCH {quote_option(option)}" for option in options),
        "SITE": site.name,
        "SETUP": "\n".join([*exports, site.setup.strip()]).strip(),
        "COMMAND": shlex.join(site.enter_container(command)) + (FIRST_START_FORCES if force else ""),
    }
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], TEMPLATE.read_text())


def quote_option(option: str) -> str:
    """Quote an option for an ``#SBATCH`` line; InputError where it cannot stand on one."""
    if "\n" in option:
        raise InputError(f"a job option cannot hold a line break: {option!r}")
    if PLAIN_OPTION.fullmatch(option):
        return option
    return '"' + re.sub(r'(["\\])', r"\\\1", option) + '"'


def leave_allocation(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what describes the allocation of this process: a new job would inherit it."""
    kept = {}
    for name, value in environment.items():
        if name == "SLURM_CONF" or not name.startswith("SLURM_"):
            kept[name] = value
    return kept
