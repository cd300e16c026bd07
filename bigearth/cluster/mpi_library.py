"""Check that mpiexec and mpi4py belong to the same MPI."""

import re
import shutil
import subprocess
import sys

from bigearth.errors import InputError

ASK_SECONDS = 60
# how each MPI calls itself, in its mpiexec and in its library
NAMES = {
    "Open MPI": r"Open ?MPI|OpenRTE",
    "Intel MPI": r"Intel\(R\) MPI",
    "MPICH": r"MPICH|HYDRA",
}
# does not start MPI: only the library is loaded
ASK_LIBRARY = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"


def check_mpi() -> str:
    """Check that mpiexec is Open MPI's and of the same version as the library that mpi4py loads.

    Returns
    -------
    str
        The MPI's name and version, such as "Open MPI 4.1.4".

    Raises
    ------
    InputError
        There is no mpiexec, mpi4py finds no library, or the two are of different MPIs.
    """
    path = shutil.which("mpiexec")
    if not path:
        raise InputError("mpiexec was not found on PATH: install Open MPI, or use environment.yml")
    launcher = _identify(_ask([path, "--version"]))
    library = _identify(_ask([sys.executable, "-c", ASK_LIBRARY]))
    if launcher[0] != "Open MPI" or library[0] != "Open MPI" or _major(launcher) != _major(library):
        raise InputError(
            f"PATH leads to the mpiexec of {' '.join(launcher)} ({path}), mpi4py loads {' '.join(library)}: put this "
            "environment's Open MPI first on PATH and LD_LIBRARY_PATH (module purge)"
        )
    return " ".join(launcher)


def _ask(command: list[str]) -> str:
    """Return all that a command says, also where it fails."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return answer.stdout + answer.stderr


def _identify(words: str) -> tuple[str, str]:
    """Return name and version of the MPI that says this."""
    for name, pattern in NAMES.items():
        if re.search(pattern, words, re.IGNORECASE):
            version = re.search(r"\d+(\.\d+)+", words)
            return name, version[0] if version else ""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return "an unknown MPI", f"({lines[-1][:100]})" if lines else ""


def _major(mpi: tuple[str, str]) -> str:
    return mpi[1].partition(".")[0]
