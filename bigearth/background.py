"""Reading ahead in a thread."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")


def read_ahead(iterable: Iterable[Item], depth: int = 3) -> Generator[Item, None, None]:
    """Iterate in a background thread that stays up to ``depth`` items ahead; its exceptions are raised here.

    Closing the iterator ends the thread.
    """
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(depth)
    closed = threading.Event()
    end = object()

    def put(item: Any, error: BaseException | None = None) -> None:
        while not closed.is_set():
            try:
                ready.put((item, error), timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        try:
            for item in iterable:
                put(item)
                if closed.is_set():
                    return
            put(end)
        except BaseException as error:  # whatever it is, the consumer must not wait for ever
            put(end, error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        closed.set()
        thread.join()
