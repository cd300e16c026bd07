"""Exceptions that a user reads."""

import pytest

from bigearth.cluster.failures import WorkerError
from bigearth.errors import InputError, Interrupted, Readable


@pytest.mark.parametrize("kind", [InputError, Interrupted, WorkerError])
def test_a_notebook_shows_the_message_and_no_traceback(kind):
    error = kind("epochs is 0: give 1 or more")
    assert isinstance(error, Readable)
    assert error._render_traceback_() == [f"{kind.__name__}: epochs is 0: give 1 or more"]
