"""Reading ahead in a thread."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
END = object()  # what follows the last item
WAIT_SECONDS = 0.1  # for a free place, before it is looked whether the consumer has left


def read_ahead(iterable: Iterable[Item], depth: int = 3) -> Generator[Item, None, None]:
    """Iterate in a background thread that stays up to ``depth`` items ahead; its exceptions are raised here.

    Closing the iterator ends the thread.
    """
    reader = _Reader(iterable, depth)
    thread = threading.Thread(target=reader.read, daemon=True)
    thread.start()
    try:
        while True:
            item, error = reader.ready.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        reader.closed.set()
        thread.join()


class _Reader:
    """The thread's side: items go into a queue of pairs (item, error)."""

    def __init__(self, iterable: Iterable[Any], depth: int):
        self.iterable = iterable
        self.ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(depth)
        self.closed = threading.Event()

    def read(self) -> None:
        try:
            for item in self.iterable:
                self._put(item)
                if self.closed.is_set():
                    return
            self._put(END)
        except BaseException as error:  # whatever it is, the consumer must not wait for ever
            self._put(END, error)

    def _put(self, item: Any, error: BaseException | None = None) -> None:
        while not self.closed.is_set():
            try:
                self.ready.put((item, error), timeout=WAIT_SECONDS)
                return
            except queue.Full:
                continue
