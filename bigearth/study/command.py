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
    if options.watch and options.slurm is None:
        raise InputError("--watch follows Slurm jobs: give --slurm SITE too")
    # an empty name, as of a variable that is not set, is unknown: it must not run the study on this machine
    site_name = options.job if options.slurm is None else options.slurm
    if site_name is not None:
        site = profiles.load(site_name)
        study = submit.place_runs(study, site)
    chosen = [run for run in study.runs if not options.run or run.name in options.run]
    if options.slurm is not None:
        return submit.submit(study, chosen, site, options.force, options.dry_run, options.watch)
    return execute.run_all(chosen, options.force, options.dry_run, in_job=options.job is not None)
