"""The one way into the store: a thread that collects the spool and keeps what is sent.

One thread, because a store has one writer at a time anyway; requests wait for it without
holding up others. Whoever waits is told when everything is committed, so an event that was
acknowledged survives whatever happens to the server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import msgspec

from sbhooks.errors import SbhooksError, StoreError
from sbhooks.events import Event
from sbhooks.runtime import Runtime

T = TypeVar("T")
_EVERY_S = 0.5
_LONGEST_S = 10.0
_log = logging.getLogger("sbhooks.server")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch.

    Attributes:
        new: Events that were not there before.
        known: Events that were.
        poison: Place in the batch → why that event cannot be stored.
    """

    new: int = 0
    known: int = 0
    poison: dict[int, str] = {}

    def __add__(self, other: Kept) -> Kept:
        return Kept(
            new=self.new + other.new,
            known=self.known + other.known,
            poison={**self.poison, **other.poison},
        )


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
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None  #: Why the last collection failed; ``None`` if it did not.

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
        kept = await self._run(lambda: self._keep(events))
        if kept.new:
            self._stored()
        return kept

    async def _run(self, work: Callable[[], T]) -> T:
        """Do something in the thread, to its end even when nobody waits any more."""
        return await asyncio.shield(asyncio.wrap_future(self._thread.submit(work)))

    def _keep(self, events: Sequence[Event]) -> Kept:
        if (refusal := self._runtime.refusal) is not None:
            raise refusal
        kept = self._append(events, 0)
        poison = kept.poison
        good = [e for place, e in enumerate(events) if place not in poison] if poison else events
        if good:
            for event in good:
                self._runtime.hooks.deliver(event)
            self._runtime.hooks.events_stored(good, self._runtime.store)
        return kept

    def _append(self, events: Sequence[Event], first: int) -> Kept:
        """Store events; what the store cannot hold is found by halving and left out."""
        if not events:
            return Kept()
        try:
            new = self._runtime.store.append(events)
        except StoreError as error:
            if not isinstance(error.__cause__, ValueError | TypeError | OverflowError):
                raise  # not the event is at fault but the store
            if len(events) == 1:
                return Kept(poison={first: f"cannot be stored: {error.__cause__}"[:300]})
            half = len(events) // 2
            return self._append(events[:half], first) + self._append(events[half:], first + half)
        return Kept(new=new, known=len(events) - new)

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
