"""Reading ahead in a thread."""

import queue
import threading


def read_ahead(iterable, depth=3):
    """Iterate in a background thread that stays up to ``depth`` items ahead; its exceptions are raised here."""
    ready, closed, end = queue.Queue(depth), threading.Event(), object()

    def put(item):
        while not closed.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def read():
        try:
            for item in iterable:
                put((item, None))
                if closed.is_set():
                    return
            put((end, None))
        except BaseException as error:  # whatever it is, the consumer must not wait for ever
            put((end, error))

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
