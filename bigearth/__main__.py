"""The study's commands: ``python -m bigearth study | download | map | doctor | check | site | publish``."""

import argparse
import sys
from collections.abc import Sequence

from bigearth.archive import download_command
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.installation import check_keras, check_python_path
from bigearth.mapping import command as map_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status: 0 done, 1 something failed, 2 the input cannot be used."""
    options = _build_parser().parse_args(arguments)
    try:
        return _run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ImportError:
        try:
            check_python_path()
            check_keras()
        except InputError as cause:
            print(f"error: {cause}", file=sys.stderr)
            return 2
        raise


def _build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m bigearth", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    study = commands.add_parser("study", help="execute the notebooks of a study, here or under Slurm")
    study.add_argument("study", help="YAML of the study, such as papermill_runs/mini.yaml")
    study.add_argument("--run", action="append", metavar="NAME", help="only this run (may be given again)")
    study.add_argument("--force", action="store_true", help="run also what is finished and unchanged")
    study.add_argument("--dry-run", action="store_true", help="say what would run; with --slurm: print the job scripts")
    study.add_argument("--slurm", metavar="SITE", help="submit one job per run, with the profile slurm/sites/SITE.yaml")
    study.add_argument("--watch", action="store_true", help="with --slurm: show states and progress until all is done")
    study.add_argument("--job", metavar="SITE", help=argparse.SUPPRESS)  # what a job script calls: execute in this job
    download = commands.add_parser("download", help="download and verify BigEarthNet; called again, it goes on")
    download_command.add_arguments(download)
    commands.add_parser("doctor", help="what this environment has, and what to do where something is missing")
    check = commands.add_parser("check", help="verify a cube, and with --archive a sample of its rows")
    check.add_argument("cube", help="the HDF5 file that notebook 02 wrote")
    check.add_argument("--archive", help="the archive it was made from: compare a random sample of rows")
    mapping = commands.add_parser("map", help="map Sentinel-2 L2A products with a finished run")
    map_command.add_arguments(mapping)
    site = commands.add_parser("site", help="render results to static HTML")
    site.add_argument("results", nargs="?", default="results", help="folder of studies (default: results)")
    publish = commands.add_parser("publish", help="execute the published studies on a clean commit, into results/")
    publish.add_argument("names", nargs="*", help="bench, mini, mini_open_ends (default: all)")
    return parser


def _run(options: argparse.Namespace) -> int:
    """Run the chosen command; its modules are imported late, so that each loads only what it needs."""
    if options.command == "doctor":
        from bigearth.cluster import doctor

        return doctor.main()
    if options.command == "download":
        return download_command.run(options, _read_path("folder", options.folder))
    if options.command == "check":
        from bigearth.cube import check as verification

        archive = None if options.archive is None else _read_path("--archive", options.archive)
        for line in verification.check(_read_path("cube", options.cube), archive):
            print(line)
        return 0
    if options.command == "map":
        return map_command.run(options)
    if options.command == "site":
        from bigearth.study import pages

        print(pages.render(_read_path("results", options.results)))
        return 0
    if options.command == "publish":
        from bigearth.study.publish import publish

        publish(options.names)
        return 0
    from bigearth.study import command

    return command.main(options)


def _read_path(name: str, text: str) -> str:
    """A path of the command line, with the environment's values in it; InputError where none can have this name."""
    from bigearth.parameters import convert  # needs numpy, which `doctor` does without

    path = convert(name, text, "str")
    resolve(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
