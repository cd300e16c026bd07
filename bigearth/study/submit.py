"""Submitting a study to Slurm, one job per run, and watching it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace

from bigearth.cluster import failures
from bigearth.cluster.profiles import Profile
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study import execute
from bigearth.study import run as run_state

TEMPLATE = ROOT / "slurm" / "job.sh.template"
# a requeued job goes on with what its first start made anew
FIRST_START_FORCES = ' $([ "${SLURM_RESTART_COUNT:-0}" = 0 ] && echo --force)'
STUCK_SECONDS = 20  # that a job has waited for something impossible: partitions change, too
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL"}


def placed(run, site: Profile):
    """The run as it is executed in a job of this site: with the site's launcher, one worker per task."""
    resources = {"tasks_per_node": run.parameters.get("workers") or 1} | run.resources
    workers = resources["nodes"] * resources["tasks_per_node"]
    fixed = {"launcher": site.launcher, "workers": workers}
    parameters = run.parameters | {key: value for key, value in fixed.items() if key in run.declared}
    return replace(run, resources=resources, parameters=parameters)


def submit(study, runs, site: Profile, force=False, dry_run=False, watch=False):
    """Submit what is neither finished nor in the queue, each job after those it needs.

    Parameters
    ----------
    study : Study
    runs : list of Run
        `placed` ones of the study, in its order.
    site : Profile
    force : bool
        Also what is finished.
    dry_run : bool
        Print the scripts only.
    watch : bool
        Then follow the jobs to their end.

    Returns
    -------
    int
        Exit status: 0; 1 if a job will never start or ``watch`` saw a run end unfinished; 130 if it was interrupted.

    Raises
    ------
    InputError
        Results that cannot be written, no Slurm here, or Slurm refuses a job: its message. Then none of this call's
        jobs stays.
    """
    if dry_run:
        print("\n".join(script(study, run, site, force) for run in runs), end="")
        return 0
    if not shutil.which("sbatch"):
        raise InputError("no Slurm here: sbatch was not found; leave out --slurm to run the study on this machine")
    for run in runs:
        run_state.check_writable(run)
    with run_state.locked(study, runs[0], "submission"):
        active = {name: job for name, (job, state, _) in _jobs(study).items() if state not in ENDED}
        done, new = set(), {}
        print(f"{'run':32} {'job':>9}  after")
        for run in runs:
            if run.name in active:
                print(f"{run.name:32} {active[run.name]:>9}  in the queue already")
                continue
            needed = [name for name in run.after if name in active or name in new]
            if not needed and not force and run_state.finished(study, run):
                done.add(run.name)
                print(f"{run.name:32} {'-':>9}  finished before, unchanged")
                continue
            try:
                new[run.name] = _sbatch(study, run, site, force, [(active | new)[name] for name in needed])
            except InputError:
                if new:
                    subprocess.run(["scancel", *new.values()])
                raise
            print(f"{run.name:32} {new[run.name]:>9}  {', '.join((active | new)[name] for name in needed)}")
    print(f"scripts and logs: {run_state.folder(study, runs[0])}")
    going = [run for run in runs if run.name not in done]
    if not (watch and going):
        return _warn(study, new)
    try:
        return _watch(study, going)
    except KeyboardInterrupt:
        print(f"no longer watched; the jobs go on, `scancel {' '.join((active | new).values())}` would end them")
        return 130


def _warn(study, new):
    """Say which of the new jobs will never start: Slurm has accepted them."""
    try:
        jobs, status = _jobs(study) if new else {}, 0
    except InputError as error:
        print(f"{error}; whether the new jobs can start is not known, see squeue")
        return 0
    for name, job in new.items():
        _, state, reason = jobs.get(name, (job, "", ""))
        if state == "PENDING" and reason in failures.WAITS_FOREVER:
            print(
                f"{name}: job {job} asks for more than the partition gives ({reason}): `scancel {job}`, see resources"
            )
            status = 1
    return status


def script(study, run, site: Profile, force=False):
    """The job's script; it can be submitted by hand, too."""
    command = [sys.executable, "-m", "bigearth", "study", str(study.path), "--run", run.name, "--job", site.name]
    options = [
        f"--job-name={_job_name(study, run.name)}",
        f"--chdir={ROOT}",
        f"--output={str(_log(study, run)).replace('%', '%%')}",
        f"--signal=USR1@{site.warning}",
        *site.job_options(run.resources),
    ]
    exports = [f"export {key}={shlex.quote(value)}" for key, value in site.job_environment().items()]
    parts = {
        "RUN": run.name,
        "AFTER": ", ".join(run.after) or "nothing",
        "FOLDER": shlex.quote(str(run_state.folder(study, run))),
        "OPTIONS": "\n".join(f"#SBATCH {_sbatch_quoted(option)}" for option in options),
        "SITE": site.name,
        "SETUP": "\n".join([*exports, site.setup.strip()]).strip(),
        "COMMAND": shlex.join(command) + (FIRST_START_FORCES if force else ""),
    }
    return re.sub(r"@([A-Z]+)@", lambda match: parts[match[1]], TEMPLATE.read_text())


def _sbatch_quoted(option):
    if "\n" in option:
        raise InputError(f"a job option cannot hold a line break: {option!r}")
    if re.fullmatch(r"[\w@%+=:,./-]+", option, re.ASCII):
        return option
    return '"' + re.sub(r'(["\\])', r"\\\1", option) + '"'


def _sbatch(study, run, site: Profile, force, needed):
    path = run_state.folder(study, run) / f"{run.stem}.sh"
    path.write_text(script(study, run, site, force))
    command = ["sbatch", "--parsable"]
    if needed:
        # without the second option a job whose predecessor failed would wait for ever
        command += [f"--dependency=afterok:{':'.join(needed)}", "--kill-on-invalid-dep=yes"]
    answer = subprocess.run([*command, str(path)], capture_output=True, text=True, env=_outside(os.environ))
    if answer.returncode:
        raise InputError(f"run {run.name}: {' '.join(answer.stderr.split())}")
    return answer.stdout.strip().partition(";")[0]


def _outside(environment):
    """Without what describes the allocation that this process may run in: a new job would inherit it."""
    return {key: value for key, value in environment.items() if not key.startswith("SLURM_") or key == "SLURM_CONF"}


def _job_name(study, run_name):
    return f"{study.name}:{run_name}"


def _log(study, run):
    return run_state.folder(study, run) / f"{run.stem}.log"


def _jobs(study):
    """The newest job of each run that Slurm remembers: name -> (id, state, reason)."""
    answer = subprocess.run(
        ["squeue", "-h", "--me", "-t", "all", "-o", "%i|%T|%r|%Z|%j"], capture_output=True, text=True
    )
    if answer.returncode:
        raise InputError(f"Slurm does not answer: {' '.join(answer.stderr.split())}")
    jobs = {}
    for line in sorted(answer.stdout.splitlines(), key=lambda line: int(re.match(r"\d+", line)[0])):
        job, state, reason, folder, name = line.split("|", 4)
        prefix, _, run = name.partition(":")
        if prefix == study.name and folder == str(ROOT):
            jobs[run] = job, state, reason
    return jobs


def _watch(study, runs):
    """Print a line whenever a run's state or progress changes; cancel what can never start."""
    shown, stuck, quiet, began = {}, {}, 0, time.monotonic()
    while quiet < 2:  # a job that is being requeued is not there for a moment
        try:
            jobs = _jobs(study)
        except InputError as error:
            print(f"{time.strftime('%H:%M:%S')}  {error}; asking again", flush=True)
            jobs = None
        active = jobs is None
        for run in runs if jobs is not None else ():
            job, state, reason = jobs.get(run.name, ("-", "ended", ""))
            active = active or (state not in ENDED and state != "ended")
            why = f" ({reason})" if reason not in ("None", "") else ""
            if state == "PENDING" and reason in failures.WAITS_FOREVER:
                if time.monotonic() - stuck.setdefault(job, time.monotonic()) > STUCK_SECONDS:
                    subprocess.run(["scancel", job])
                    why = f" ({reason}: asks for more than the partition gives; cancelled)"
            else:
                stuck.pop(job, None)
            line = f"{run.name:32} {job:>9}  {state}{why}  {_last_line(study, run) if state == 'RUNNING' else ''}"
            if shown.get(run.name) != line:
                shown[run.name] = line
                print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)
        quiet = 0 if active else quiet + 1
        # not to bother a busy scheduler: 2 s at first, 30 s from half an hour on
        time.sleep(min(30, 2 + (time.monotonic() - began) / 64) if active else 2)
    unfinished = [run.name for run in runs if not run_state.finished(study, run)]
    if unfinished:
        print(f"not finished: {', '.join(unfinished)}; logs: {run_state.folder(study, runs[0])}")
    execute.render(runs[0].results)
    return 1 if unfinished else 0


def _last_line(study, run):
    try:
        with open(_log(study, run), "rb") as log:
            log.seek(max(0, log.seek(0, 2) - 2000))
            lines = log.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:100] for line in reversed(lines) if line.strip()), "")
