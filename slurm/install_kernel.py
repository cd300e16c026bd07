"""Install the Jupyter kernel `bigearth`: this environment, with a site's modules, for every JupyterHub that shares the
home folder. Run it with the environment's Python: ``python slurm/install_kernel.py [--site juwels]``."""

import argparse
import json
import sys
from pathlib import Path

from ipykernel.kernelspec import install


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", help="site profile whose modules the kernel loads first (slurm/sites/)")
    options = parser.parse_args(arguments)
    # mpiexec, srun's engines and GDAL's tools are looked up on the PATH; a hub starts kernels with its own
    path = f"{Path(sys.executable).parent}:${{PATH}}"
    folder = Path(install(user=True, kernel_name="bigearth", display_name="bigearth", env={"PATH": path}))
    print(f"kernel `bigearth` ({sys.executable}) installed in {folder}")


if __name__ == "__main__":
    main()
