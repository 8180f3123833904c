"""Keeps the garbage collector from looking through batches of events.

Events and rows hold texts and numbers and form no cycles: they go away without it. Yet each
few hundred of them make it start, and looking through all of a batch again and again costs more
than a quarter of the time that storing takes.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Pauses:
    """How many want it to rest, and whether it worked before the first of them came."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.was_on = True


_pauses = _Pauses()


@contextmanager
def no_cycles() -> Iterator[None]:
    """Pause the collection of cyclic garbage, for work that makes none; may be nested."""
    with _pauses.lock:
        if not _pauses.count:
            _pauses.was_on = gc.isenabled()
            gc.disable()
        _pauses.count += 1
    try:
        yield
    finally:
        with _pauses.lock:
            _pauses.count -= 1
            if not _pauses.count and _pauses.was_on:
                gc.enable()
