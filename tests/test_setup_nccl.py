"""Set-up for GPUs: which CUDA toolkit builds Horovod, and that set-up goes on where none can. Builds are stand-ins."""

import shutil
import subprocess

import pytest

from bigearth.files import ROOT

HEARD = ["env", "--default-signal=INT"]  # tests in the background ignore Ctrl-C, and so would all that they start
AROUND = """
set -euo pipefail
cd "$CLONE"
PY=.venv/bin/python
choose_build_folder() { BUILD=$PWD; }
check_horovod() { false; }
finish() { rm -f ".venv/unfinished/$STEP"; STEP=; }
. setup/nccl.sh
"""


@pytest.fixture
def run(tmp_path):
    """Run shell code as setup.sh does, in a folder with a .venv of stand-ins."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "setup", clone / "setup")
    (clone / ".venv" / "unfinished").mkdir(parents=True)
    (clone / ".venv" / "bin").mkdir()
    uv = clone / ".venv" / "bin" / "uv"
    uv.write_text('#!/bin/sh\necho "$@" >> uv.log\n')
    uv.chmod(0o755)

    def run(code, **variables):
        environment = {"PATH": "/usr/bin:/bin", "CLONE": str(clone), **variables}
        command = [*HEARD, "bash", "-c", AROUND + code]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    run.clone = clone
    return run


def make_toolkit(folder):
    for name in ("bin/nvcc", "include/cuda_runtime.h", "include/cuda_fp16.h"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return str(folder)


def test_a_build_that_fails_ends_in_one_warning_and_set_up_goes_on(run):
    done = run("build_horovod() { echo no room >&2; false; echo not reached; }; build_horovod_with_nccl; echo ready")
    assert done.returncode == 0 and done.stdout == "ready\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("setup.sh: warning: Horovod with NCCL cannot be built") and "mpi4py" in line
    assert (run.clone / ".venv/horovod.log").read_text() == "no room\n"
    assert "uninstall" in (run.clone / "uv.log").read_text()


def test_a_build_that_fails_leaves_the_earlier_one(run):
    (run.clone / ".venv/cuda-of-horovod").write_text("13.0\n")
    build = "build_horovod() { echo 12.4 > .venv/cuda-of-this-build; false; }; check_horovod() { true; }; "
    done = run(build + "build_horovod_with_nccl; echo ready")
    assert done.stdout == "ready\n" and "the one that was built before stays" in done.stderr
    assert not (run.clone / "uv.log").exists()
    assert (run.clone / ".venv/cuda-of-horovod").read_text() == "13.0\n"


def test_a_build_that_succeeds_says_nothing(run):
    build = "build_horovod() { echo 12.4 > .venv/cuda-of-this-build; }; "
    done = run(build + "build_horovod_with_nccl; echo ready")
    assert (run.clone / ".venv/cuda-of-horovod").read_text() == "12.4\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")


def test_ctrl_c_is_no_failed_build(run):
    """Pip ends as if it had failed; setup.sh must stop, so that the next call goes on with the build."""
    done = run("build_horovod() { kill -INT $$; false; }; build_horovod_with_nccl; echo ready")
    assert done.returncode == 130 and "ready" not in done.stdout and "warning" not in done.stderr
    assert not (run.clone / ".venv/cuda-tried").exists()


def test_a_toolkit_is_the_modules_or_that_of_path_and_whole(run, tmp_path):
    module, other = make_toolkit(tmp_path / "module"), make_toolkit(tmp_path / "other")
    assert run("find_toolkit").stdout == ""
    assert run("find_toolkit", CUDA_HOME=module).stdout == f"{module}\n"
    assert run("find_toolkit", PATH=f"{other}/bin:/usr/bin:/bin").stdout == f"{other}\n"
    (tmp_path / "module/include/cuda_fp16.h").unlink()
    assert run("find_toolkit", CUDA_HOME=module).stdout == ""


def test_another_toolkit_builds_anew(run, tmp_path):
    module = make_toolkit(tmp_path / "module")
    ask = "if has_another_toolkit; then echo yes; else echo no; fi"
    build = "build_horovod() { ls .venv/unfinished; }; build_horovod_with_nccl; "
    assert run(ask, CUDA_HOME=module).stdout == "no\n"  # nothing was built yet
    assert run(build + ask).stdout == "no\n"
    assert run(ask, CUDA_HOME=module).stdout == "yes\n"
    assert run(build + ask, CUDA_HOME=module).stdout == "horovod\nno\n"
    assert run(ask).stdout == "no\n"  # a node without the module
