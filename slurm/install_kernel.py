"""Install the Jupyter kernel `bigearth`: this environment, with a site's modules, for every JupyterHub that shares the
home folder. Run it with the environment's Python: ``python slurm/install_kernel.py [--site juwels]``."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ipykernel.kernelspec import install

from bigearth.cluster import profiles
from bigearth.cluster.profiles import Profile
from bigearth.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the kernel and say where; return 2 where the site's profile cannot be used, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", help="profile in slurm/sites whose set-up the kernel does before it starts")
    options = parser.parse_args(arguments)
    try:
        site = profiles.load(options.site) if options.site else None
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # a hub starts kernels with its own PATH, but mpiexec and its likes are looked up where this environment has them
    programs = Path(sys.executable).parent
    path = f"{programs}:${{PATH}}"
    folder = Path(install(user=True, kernel_name="bigearth", display_name="bigearth", env={"PATH": path}))
    spec = json.loads((folder / "kernel.json").read_text())
    spec["argv"].append("--IPKernelApp.capture_fd_output=False")  # libraries' start-up lines go to the server's log
    if site:
        spec["argv"] = ["bash", "-lc", write_set_up(site, programs), "kernel", *spec["argv"]]
    (folder / "kernel.json").write_text(json.dumps(spec, indent=1))
    print(f"kernel `bigearth` ({sys.executable}) installed in {folder}")
    return 0


def write_set_up(site: Profile, programs: Path) -> str:
    """Return the shell lines that set up a site, put the environment's programs first, and run their arguments."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in site.job_environment().items()]
    lines.append(site.setup.strip())
    lines.append(f"export PATH={shlex.quote(str(programs))}:$PATH")
    lines.append('exec "$@"')
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
