"""The one way into the store: a thread that collects the spool and keeps what is sent.

One thread, because a store has one writer at a time anyway; requests wait for it without
holding up others. What has come in while it was busy it stores together: a transaction costs
about as much as some hundred events in it. Whoever waits is told when everything is committed,
so an event that was acknowledged survives whatever happens to the server.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple, TypeVar

from sbhooks.errors import SbhooksError
from sbhooks.events import Event
from sbhooks.runtime import Runtime
from sbhooks_server import storing
from sbhooks_server.storing import Kept

MOST_TOGETHER = 10_000  #: Events that are stored together, unless one batch has more.
T = TypeVar("T")
_EVERY_S = 0.5
_LONGEST_S = 10.0
_log = logging.getLogger("sbhooks.server")


class _Sent(NamedTuple):
    """A batch that waits, and what became of it."""

    events: Sequence[Event]
    kept: Future[Kept]


class Keeper:
    """Collects twice a second, and keeps batches in between.

    Args:
        runtime: Settings, plugins and store.
        stored: Called, in the event loop, after events have been stored.
    """

    def __init__(self, runtime: Runtime, stored: Callable[[], None] = lambda: None) -> None:
        self._runtime = runtime
        self._stored = stored
        self._thread = ThreadPoolExecutor(1, "sbhooks-keeper")
        self._waiting: deque[_Sent] = deque()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None  #: Why the last collection failed; ``None`` if it did not.

    @property
    def waiting(self) -> int:
        """How many batches wait for those before them."""
        return len(self._waiting)

    async def start(self) -> None:
        """Begin to collect."""
        self._task = asyncio.create_task(self._collect_for_ever())

    async def stop(self) -> None:
        """Finish what was begun, and collect once more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._collect()
        self._thread.shutdown(wait=True)

    async def keep(self, events: Sequence[Event]) -> Kept:
        """Store a batch and tell plugins; durable on return.

        Raises:
            StoreError: Nothing can be stored at present.
        """
        sent = _Sent(events, Future())
        sent.kept.set_running_or_notify_cancel()  # nobody can call it off any more
        self._waiting.append(sent)
        self._thread.submit(self._keep_waiting)
        kept = await _shielded(sent.kept)
        if kept.new:
            self._stored()
        return kept

    async def _run(self, work: Callable[[], T]) -> T:
        """Do something in the thread."""
        return await _shielded(self._thread.submit(work))

    def _keep_waiting(self) -> None:
        """Store what waits; nothing does when it went along with what had waited longer."""
        batches = self._next_batches()
        if not batches:
            return
        try:
            kept = storing.keep(self._runtime, [sent.events for sent in batches])
        except BaseException as error:  # noqa: BLE001 - whoever waits must be told
            for sent in batches:
                sent.kept.set_exception(error)
        else:
            for sent, of_batch in zip(batches, kept, strict=True):
                sent.kept.set_result(of_batch)

    def _next_batches(self) -> list[_Sent]:
        batches: list[_Sent] = []
        room = MOST_TOGETHER
        while self._waiting and (not batches or len(self._waiting[0].events) <= room):
            batches.append(self._waiting.popleft())
            room -= len(batches[-1].events)
        return batches

    async def _collect_for_ever(self) -> None:
        wait_s = _EVERY_S
        while True:
            await self._collect()
            wait_s = _EVERY_S if self.trouble is None else min(wait_s * 2, _LONGEST_S)
            await asyncio.sleep(wait_s)

    async def _collect(self) -> None:
        try:
            if (await self._run(self._runtime.collect)).events:
                self._stored()
        except SbhooksError as error:
            if self.trouble is None:
                _log.warning("cannot collect: %s", error)
            self.trouble = str(error)
        else:
            self.trouble = None


async def _shielded(future: Future[T]) -> T:
    """What comes of it; it goes on to its end even when nobody waits any more."""
    return await asyncio.shield(asyncio.wrap_future(future))
