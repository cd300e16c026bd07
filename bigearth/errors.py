"""The exceptions of the study that a user is meant to read."""


class Readable(Exception):
    """An exception whose message is all that helps: a notebook shows the message, not a traceback."""

    def _render_traceback_(self) -> list[str]:
        """IPython prints these lines in place of the traceback."""
        return [f"{type(self).__name__}: {self}"]


LONGEST_MESSAGE = 1000  # characters: room for every difference of two cubes; of a longer one the middle is left out


class InputError(Readable):
    """An input that cannot be used; the message is one line that names the file or parameter and the remedy.

    Values and other libraries' reasons stand in messages, however long they are: line breaks become blanks, and the
    middle of a long message is left out, so that its beginning (what is wrong) and its end (the remedy) stay.
    """

    def __init__(self, message: str):
        line = " ".join(str(message).split())
        if len(line) > LONGEST_MESSAGE:
            end = LONGEST_MESSAGE // 3
            line = f"{line[: LONGEST_MESSAGE - end - 5]} ... {line[-end:]}"
        super().__init__(line)


class Interrupted(Readable):
    """Training stopped at its checkpoint because the time limit is near; run again, it goes on from there."""


class Stalled(Readable):
    """A worker of a training noticed that another one did not come to an exchange of arrays."""
