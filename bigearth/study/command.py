"""The command ``python -m bigearth study``."""

import argparse

from bigearth.cluster import profiles
from bigearth.errors import InputError
from bigearth.study import execute, submit
from bigearth.study.definition import check_run_names, load


def main(options: argparse.Namespace) -> int:
    """Execute or submit a study; the command's exit status: 0, 1 where a run failed, 75 where one can be continued."""
    study = load(options.study)
    check_run_names(options.run or (), study)
    if options.watch and not options.slurm:
        raise InputError("--watch follows Slurm jobs: give --slurm SITE too")
    site_name = options.slurm or options.job
    if site_name:
        site = profiles.load(site_name)
        study = submit.place_runs(study, site)
    chosen = [run for run in study.runs if not options.run or run.name in options.run]
    if options.slurm:
        return submit.submit(study, chosen, site, options.force, options.dry_run, options.watch)
    return execute.run_all(chosen, options.force, options.dry_run, in_job=bool(options.job))
