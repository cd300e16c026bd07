"""The kernel, the papermill engine and the file handler that execute a study's notebooks."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from papermill.engines import NBClientEngine, papermill_engines
from papermill.iorw import LocalHandler, papermill_io

from bigearth.files import ROOT, write_whole
from bigearth.progress import MARK

ENGINE = "bigearth"


class Kernel(AsyncKernelManager):
    """This interpreter's kernel, whatever "python3" means to Jupyter on this machine."""

    stderr: TextIO | None = None  # for what libraries write past Python, such as TensorFlow's start-up lines

    async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]
        await super().start_kernel(**kwargs, stderr=self.stderr)

    @property
    def kernel_spec(self) -> KernelSpec:
        folders = [str(ROOT)]
        if os.environ.get("PYTHONPATH"):
            folders.append(os.environ["PYTHONPATH"])
        command = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40", "-f", "{connection_file}"]
        command.append("--IPKernelApp.capture_fd_output=False")
        return KernelSpec(argv=command, language="python", env={"PYTHONPATH": os.pathsep.join(folders)})


class Engine(NBClientEngine):
    """papermill's engine, which also tells which cell runs, and how far its work is."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        cell_starts: Callable[[int, int], None],
        work_goes_on: Callable[[str], None],
        **kwargs: Any,
    ) -> None:
        begin, autosave = nb_man.cell_start, nb_man.autosave_cell
        running: list[nbformat.NotebookNode] = []

        def cell_start(cell: nbformat.NotebookNode, cell_index: int, **more: Any) -> None:
            running[:] = [cell]
            cell_starts(cell_index + 1, len(nb_man.nb.cells))
            begin(cell, cell_index, **more)

        def autosave_cell() -> None:  # papermill calls it after every message of the kernel
            autosave()
            line = find_progress(running)
            if line:
                work_goes_on(line)

        nb_man.cell_start, nb_man.autosave_cell = cell_start, autosave_cell
        super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def find_progress(cells: Sequence[nbformat.NotebookNode]) -> str:
    """The newest line of progress among the outputs of cells; empty where there is none."""
    for cell in cells:
        for output in reversed(cell.get("outputs", [])):
            if MARK.items() <= output.get("metadata", {}).items():
                return output.data.get("text/plain", "")
    return ""


class AtomicHandler(LocalHandler):
    """Write the notebook whole at every save, so that a program that reads it meanwhile never finds half of it."""

    def write(self, buf: str, path: str) -> None:
        with write_whole(Path(path)) as partial:
            partial.write_text(buf)


def kernel_with_log(log: TextIO) -> type[Kernel]:
    """A kernel class whose libraries write into an open file."""
    return type("KernelWithLog", (Kernel,), {"stderr": log})


@cache
def register_with_papermill() -> None:
    """Make papermill use this engine and this file handler in this process."""
    logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns when a save takes long
    papermill_engines.register(ENGINE, Engine)
    papermill_io.register(str(Path("/")), AtomicHandler())
