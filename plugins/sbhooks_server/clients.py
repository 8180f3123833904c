"""What is to be told to one listener, while nobody waits for it.

As a rule a message is on its way as soon as it is told: to wake a task for each of thousands of
clients costs as much again as to send. What cannot be sent at once waits in a queue, which is
emptied by a task of its own: a client that does not read fills only its own queue; then its
oldest messages are dropped, and it is told how many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from sys import getsizeof

from sbhooks_server import frames

MOST_WAITING = 64  #: Messages that wait for a client before the oldest is dropped.
MOST_WAITING_BYTES = 4 << 20  #: Likewise; the newest one may be larger.


class Client:
    """One listener.

    Args:
        send_now: Sends a message unless that must wait; says whether it did. Without it every
            message goes through the queue.

    Attributes:
        everything: Whether it is told about the most used skills.
        skills: Further skills that it is told about.
        live: Whether it is sent events as they are stored.
        missed: Messages that were dropped since it was last told.
    """

    def __init__(self, send_now: Callable[[str], bool] = lambda _: False) -> None:
        self.everything = False
        self.skills: set[str] = set()
        self.live = False
        self.missed = 0
        self._send_now = send_now
        self._waiting: deque[str] = deque()
        self._size = 0  # of what waits, in bytes of memory: a character has up to four
        self._wake: asyncio.Future[None] | None = None

    def put(self, text: str) -> None:
        """Have a message sent; drops the oldest one when too many wait."""
        # Somebody waits for the next message: so none waits or is being sent.
        is_idle = self._wake is not None and not self._wake.done()
        if is_idle and self._send_now(text):
            return
        self._waiting.append(text)
        self._size += getsizeof(text)
        while len(self._waiting) > MOST_WAITING or self._is_too_much():
            self._size -= getsizeof(self._waiting.popleft())
            self.missed += 1
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def next(self) -> str:
        """The next message to send, as soon as there is one."""
        while not self._waiting:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None  # cancelled, it would hold the frame that holds it
        if self.missed:
            count, self.missed = self.missed, 0
            return frames.frame("missed", count=count)
        text = self._waiting.popleft()
        self._size -= getsizeof(text)
        return text

    def _is_too_much(self) -> bool:
        return self._size > MOST_WAITING_BYTES and len(self._waiting) > 1
