"""The controller of a group: ipyparallel's, which removes the group's folder when it is told to end.

The notebook sends the signal, or the operating system when the notebook's process was killed. The folder must go
because it holds a key.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from ipyparallel.controller.app import IPController

from bigearth.cluster import folders


class GroupController(IPController):
    """ipyparallel's controller, whose end by a signal is also the end of its profile's folder."""

    def handle_signal(self, sig: int, frame: FrameType | None) -> None:
        folders.remove_folder(Path(self.profile_dir.location))
        super().handle_signal(sig, frame)


def main(arguments: list[str]) -> None:
    """Run the controller of ``--profile-dir=FOLDER``; the other arguments are ipyparallel's."""
    folder = Path(arguments[0].removeprefix("--profile-dir="))

    def end(*_: object) -> None:
        folders.remove_folder(folder)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)  # until ipyparallel has set up its own signals
    GroupController.launch_instance(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
