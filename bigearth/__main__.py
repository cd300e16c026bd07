"""The study's commands: ``python -m bigearth study | doctor | check | site``."""

import argparse
import sys

from bigearth.errors import InputError


def main(arguments=None):
    """Run one command; its exit status: 0 done, 1 something failed, 2 the input cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m bigearth", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    study = commands.add_parser("study", help="execute the notebooks of a study, here or under Slurm")
    from bigearth.study.command import add_arguments

    add_arguments(study)
    commands.add_parser("doctor", help="what this environment has, and what to do where something is missing")
    check = commands.add_parser("check", help="verify a cube, and with --archive a sample of its rows")
    check.add_argument("cube", help="the HDF5 file that notebook 02 wrote")
    check.add_argument("--archive", help="the archive it was made from: compare a random sample of rows")
    site = commands.add_parser("site", help="render results to static HTML")
    site.add_argument("results", nargs="?", default="results", help="folder of studies (default: results)")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options):
    # imported late: each command loads only what it needs
    if options.command == "doctor":
        from bigearth.cluster import doctor

        return doctor.main()
    if options.command == "check":
        from bigearth.cube import check as verification

        for line in verification.check(options.cube, options.archive):
            print(line)
        return 0
    if options.command == "site":
        from bigearth.study import pages

        print(pages.render(options.results))
        return 0
    from bigearth.study import command

    return command.main(options)


if __name__ == "__main__":
    sys.exit(main())
