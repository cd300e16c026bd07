"""The command ``python -m bigearth study``."""

import argparse
from dataclasses import replace

from bigearth.cluster import profiles
from bigearth.errors import InputError
from bigearth.study import execute, submit
from bigearth.study.definition import load


def add_arguments(parser):
    """Options of ``python -m bigearth study``."""
    parser.add_argument("study", help="YAML of the study, such as papermill_runs/mini.yaml")
    parser.add_argument("--run", action="append", metavar="NAME", help="only this run (may be given again)")
    parser.add_argument("--force", action="store_true", help="run also what is finished and unchanged")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would run; with --slurm: print the job scripts"
    )
    parser.add_argument(
        "--slurm", metavar="SITE", help="submit one job per run, with the profile slurm/sites/SITE.yaml"
    )
    parser.add_argument("--watch", action="store_true", help="with --slurm: show states and progress until all is done")
    parser.add_argument("--job", metavar="SITE", help=argparse.SUPPRESS)  # what a job script calls: execute in this job


def main(options):
    """Execute or submit a study; the command's exit status: 0, 1 where a run failed, 75 where one can be continued."""
    study = load(options.study)
    known = [run.name for run in study.runs]
    for name in options.run or ():
        if name not in known:
            raise InputError(f"--run {name}: {study.path.name} has {', '.join(known)}")
    if options.watch and not options.slurm:
        raise InputError("--watch follows Slurm jobs: give --slurm SITE too")
    if options.slurm or options.job:
        site = profiles.load(options.slurm or options.job)
        study = replace(study, runs=tuple(submit.placed(run, site) for run in study.runs))
    chosen = [run for run in study.runs if not options.run or run.name in options.run]
    if options.slurm:
        return submit.submit(study, chosen, site, options.force, options.dry_run, options.watch)
    return execute.run_all(study, chosen, options.force, options.dry_run, in_job=bool(options.job))
