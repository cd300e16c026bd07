"""The kernel, the papermill engine and the file handler that execute a study's notebooks."""

import os
import sys
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from papermill.engines import NBClientEngine
from papermill.iorw import LocalHandler

from bigearth.files import ROOT


class Kernel(AsyncKernelManager):
    """This interpreter's kernel, whatever "python3" means to Jupyter on this machine."""

    stderr = None  # file for what libraries write past Python, such as TensorFlow's start-up lines

    async def start_kernel(self, **kwargs):
        return await super().start_kernel(**kwargs, stderr=self.stderr)

    @property
    def kernel_spec(self):
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40", "-f", "{connection_file}"]
        command.append("--IPKernelApp.capture_fd_output=False")
        return KernelSpec(argv=command, language="python", env={"PYTHONPATH": path})


class Engine(NBClientEngine):
    """papermill's engine, which also tells which cell runs."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, cell_starts, **kwargs):
        begin = nb_man.cell_start

        def cell_start(cell, cell_index=None, **more):
            cell_starts(cell_index + 1, len(nb_man.nb.cells))
            begin(cell, cell_index, **more)

        nb_man.cell_start = cell_start
        super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


class AtomicHandler(LocalHandler):
    """Whoever reads the notebook while it runs finds it whole."""

    def write(self, buf, path):
        beside = Path(f"{path}.writing")
        beside.write_text(buf)
        beside.replace(path)
