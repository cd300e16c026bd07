"""The exceptions of the study that a user is meant to read."""


class Readable(Exception):
    """An exception whose message is all that helps: a notebook shows the message, not a traceback."""

    def _render_traceback_(self) -> list[str]:
        """IPython prints these lines in place of the traceback."""
        return [f"{type(self).__name__}: {self}"]


class InputError(Readable):
    """An input that cannot be used; the message is one line that names the file or parameter and the remedy."""


class Interrupted(Readable):
    """Training stopped at its checkpoint because the time limit is near; run again, it goes on from there."""
