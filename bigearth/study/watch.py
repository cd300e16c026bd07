"""The jobs of a study in Slurm's queue: their states, and following them to their end."""

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bigearth.cluster import failures
from bigearth.errors import InputError
from bigearth.files import ROOT
from bigearth.study import execute
from bigearth.study.run import Run, Study

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL"}
STUCK_SECONDS = 20  # that a job has waited for something impossible: partitions change, too
QUIET_ANSWERS = 2  # answers without an active job that end the watch: one that is being requeued is not there a moment
SHORTEST_PAUSE, LONGEST_PAUSE = 2, 30  # s between two questions, not to bother a busy scheduler
LONGEST_PAUSE_AFTER = 1792  # s from which on the pause is the longest
LOG_TAIL = 2000  # bytes of a job's log in which its last line is looked for


@dataclass(frozen=True)
class Job:
    """A job that Slurm remembers."""

    id: str
    state: str
    reason: str

    @property
    def is_active(self) -> bool:
        return self.state not in ENDED

    @property
    def waits_forever(self) -> bool:
        """Whether it asks for more than its partition gives: Slurm has accepted it all the same."""
        return self.state == "PENDING" and self.reason in failures.WAITS_FOREVER


def name_job(run: Run) -> str:
    """Return the name of a run's job in Slurm."""
    return f"{run.study}:{run.name}"


def read_jobs(study: str) -> dict[str, Job]:
    """Ask Slurm for the newest job of each run of a study that this checkout submitted.

    Raises
    ------
    InputError
        Slurm does not answer.
    """
    command = ["squeue", "-h", "--me", "-t", "all", "-o", "%i|%T|%r|%Z|%j"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise InputError(f"Slurm does not answer: {' '.join(answer.stderr.split())}")
    jobs = {}
    for line in sorted(answer.stdout.splitlines(), key=_job_number):
        job, state, reason, folder, name = line.split("|", 4)
        prefix, _, run = name.partition(":")
        if prefix == study and folder == str(ROOT):
            jobs[run] = Job(job, state, reason)
    return jobs


def warn_of_stuck_jobs(study: Study, submitted: dict[str, str]) -> int:
    """Say which of the new jobs (run name: id) will never start; exit status 1 where there is one."""
    if not submitted:
        return 0
    try:
        jobs = read_jobs(study.name)
    except InputError as error:
        print(f"{error}; whether the new jobs can start is not known, see squeue")
        return 0
    status = 0
    for name, number in submitted.items():
        if name in jobs and jobs[name].waits_forever:
            reason = jobs[name].reason
            print(f"{name}: job {number} asks for more than the partition gives ({reason}): `scancel {number}`,"
                  " see resources")  # fmt: skip
            status = 1
    return status


def watch(study: Study, runs: Sequence[Run]) -> int:
    """Print a line whenever a run's state or progress changes; cancel what can never start.

    Returns
    -------
    int
        Exit status: 1 where a run is not finished in the end.
    """
    shown: dict[str, str] = {}
    stuck: dict[str, float] = {}
    quiet = 0
    began = time.monotonic()
    while quiet < QUIET_ANSWERS:
        try:
            jobs = read_jobs(study.name)
            active = any(run.name in jobs and jobs[run.name].is_active for run in runs)
            for run in runs:
                _show_run(run, jobs.get(run.name), shown, stuck)
        except InputError as error:
            _say(f"{error}; asking again")
            active = True
        quiet = 0 if active else quiet + 1
        share = min(1, (time.monotonic() - began) / LONGEST_PAUSE_AFTER)
        time.sleep(SHORTEST_PAUSE + share * (LONGEST_PAUSE - SHORTEST_PAUSE) if active else SHORTEST_PAUSE)
    return _report_end(study, runs)


def _show_run(run: Run, job: Job | None, shown: dict[str, str], stuck: dict[str, float]) -> None:
    """Print the state of a run where it is another than ``shown``; ``stuck``: since when a job cannot start."""
    if job is None:
        job = Job("-", "ended", "")
    why = f" ({job.reason})" if job.reason not in ("None", "") else ""
    if not job.waits_forever:
        stuck.pop(job.id, None)
    elif time.monotonic() - stuck.setdefault(job.id, time.monotonic()) > STUCK_SECONDS:
        subprocess.run(["scancel", job.id])
        why = f" ({job.reason}: asks for more than the partition gives; cancelled)"
    progress = _read_last_line(run) if job.state == "RUNNING" else ""
    line = f"{run.name:32} {job.id:>9}  {job.state}{why}  {progress}"
    if shown.get(run.name) != line:
        shown[run.name] = line
        _say(line)


def _report_end(study: Study, runs: Sequence[Run]) -> int:
    watched = {run.name for run in runs}
    unfinished = [run.name for run in study.renew().runs if run.name in watched and not run.finished()]
    if unfinished:
        print(f"not finished: {', '.join(unfinished)}; logs: {runs[0].state_folder}")
    execute.render(runs[0].results)
    return 1 if unfinished else 0


def _read_last_line(run: Run) -> str:
    """The last line of a job's log that is not empty."""
    try:
        with run.job_log.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - LOG_TAIL))
            lines = log.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    for line in reversed(lines):
        if line.strip():
            return line.strip()[:100]
    return ""


def _job_number(line: str) -> int:
    number = re.match(r"\d+", line)
    return int(number[0]) if number else 0


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)
