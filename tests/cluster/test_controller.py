"""The controller removes its folder, with the key, when it is told to end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bigearth.cluster import folders
from bigearth.files import ROOT


def catches_the_end(process):
    """Whether a process has a handler for SIGTERM: an interpreter that is still loading has none."""
    caught = Path(f"/proc/{process}/status").read_text().split("SigCgt:")[1].split()[0]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("file", ["owner.json", "security/ipcontroller-client.json"])
def test_the_key_goes_with_the_controller(tmp_path, file):
    """Also where the end comes before ipyparallel is up: as soon as this file is there."""
    folder = folders.make_folder(tmp_path)
    command = [sys.executable, "-m", "bigearth.cluster.controller", f"--profile-dir={folder}", "--ip=127.0.0.1"]
    command += ["--IPController.use_threads=True", "--nodb", "--log-level=WARN"]
    controller = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not ((folder / file).exists() and catches_the_end(controller.pid)) and time.monotonic() < end:
        time.sleep(0.1)
    controller.terminate()
    controller.wait(30)
    assert not folder.exists()
