"""Reading ahead in a thread: order, exceptions, and an early end."""

import pytest

from bigearth import background


def test_reading_ahead_keeps_order_and_raises_what_the_source_raises():
    def source():
        yield from range(10)
        raise OSError("disk gone")

    seen = []
    with pytest.raises(OSError, match="disk gone"):
        for item in background.read_ahead(source()):
            seen.append(item)
    assert seen == list(range(10))


def test_reading_ahead_stops_when_nobody_listens():
    taken = []
    ahead = background.read_ahead((taken.append(i) for i in range(1000)), depth=2)
    next(ahead)
    ahead.close()
    assert len(taken) < 10
