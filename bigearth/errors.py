"""The exceptions of the study that a user is meant to read."""


class InputError(Exception):
    """What the user gave cannot be used; the message is one line that names the file or parameter and the remedy."""

    def _render_traceback_(self):
        # IPython shows these lines instead of a traceback: the message is all that helps here.
        return [f"{type(self).__name__}: {self}"]


class Interrupted(Exception):
    """Training stopped at its checkpoint because the time limit is near; run again, it goes on from there."""

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]
