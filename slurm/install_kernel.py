"""Install the Jupyter kernel `bigearth`: this environment, with a site's modules, for every JupyterHub that shares the
home folder. Run it with the environment's Python: ``.venv/bin/python slurm/install_kernel.py [--site juwels]``."""

import argparse
import json
import shlex
import sys
from pathlib import Path

from ipykernel.kernelspec import install

from bigearth.cluster import profiles


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", help="profile in slurm/sites whose set-up the kernel does before it starts")
    options = parser.parse_args(arguments)
    site = profiles.load(options.site) if options.site else None
    # a hub starts kernels with its own PATH, but mpiexec and its likes are looked up where this environment has them
    programs = Path(sys.executable).parent
    folder = Path(
        install(user=True, kernel_name="bigearth", display_name="bigearth", env={"PATH": f"{programs}:${{PATH}}"})
    )
    spec = json.loads((folder / "kernel.json").read_text())
    spec["argv"].append("--IPKernelApp.capture_fd_output=False")  # libraries' start-up lines go to the server's log
    if site:
        exports = [f"export {key}={shlex.quote(value)}" for key, value in site.job_environment().items()]
        script = "\n".join(
            [*exports, site.setup.strip(), f"export PATH={shlex.quote(str(programs))}:$PATH", 'exec "$@"']
        )
        spec["argv"] = ["bash", "-lc", script, "kernel", *spec["argv"]]
    (folder / "kernel.json").write_text(json.dumps(spec, indent=1))
    print(f"kernel `bigearth` ({sys.executable}) installed in {folder}")


if __name__ == "__main__":
    main()
