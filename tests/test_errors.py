"""Exceptions that a user reads."""

import pytest

from bigearth.cluster.failures import WorkerError
from bigearth.errors import LONGEST_MESSAGE, InputError, Interrupted, Readable


@pytest.mark.parametrize("kind", [InputError, Interrupted, WorkerError])
def test_a_notebook_shows_the_message_and_no_traceback(kind):
    error = kind("epochs is 0: give 1 or more")
    assert isinstance(error, Readable)
    assert error._render_traceback_() == [f"{kind.__name__}: epochs is 0: give 1 or more"]


def test_a_message_is_one_line_that_keeps_its_beginning_and_its_remedy():
    error = InputError(f"name is {'x' * 9000}: too long\n- give\n\ta shorter one")
    message = str(error)
    assert len(message) <= LONGEST_MESSAGE and "\n" not in message
    assert message.startswith("name is xxx") and message.endswith("x: too long - give a shorter one")
