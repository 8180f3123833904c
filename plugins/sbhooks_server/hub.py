"""Tells everybody who listens what has been stored, and waits for nobody.

The hub follows the store by its positions, so it sees what any process has stored. Each
message is encoded once, and each client has a queue of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sbhooks.errors import SbhooksError
from sbhooks.events import utc_now
from sbhooks.insights import Insight, InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery, EventReader
from sbhooks_server import answers, frames
from sbhooks_server.clients import Client
from sbhooks_server.shapes import Skill
from sbhooks_server.tailing import EVENTS_PER_FRAME, Piece, next_piece

_LOOK_EVERY_S = 0.2
_LOOK_AT_MOST_EVERY_S = 0.05
_UPDATE_EVERY_S = 1.0
_ANOMALIES_EVERY_S = 5.0
_MOST_ANOMALIES = 20
_MOST_KNOWN = 10_000
_log = logging.getLogger("sbhooks.server")


class Hub:
    """Follows the store and tells clients.

    Args:
        runtime: Settings, plugins and store.
        update_every_s: Time between updates when nothing changes.
    """

    def __init__(self, runtime: Runtime, *, update_every_s: float = _UPDATE_EVERY_S) -> None:
        self._runtime = runtime
        self._update_every_s = update_every_s
        self.clients: set[Client] = set()
        self.position = 0  #: Everything before has been told.
        self.skills: dict[str, Skill] = {}
        self._limit = EVENTS_PER_FRAME
        self._summed_at = -1
        self._anomalies: Sequence[Insight] = ()
        self._known_anomalies: dict[tuple[str, str, str], None] | None = None
        self._anomalies_due = 0.0
        self._reading = asyncio.Lock()
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def store(self) -> EventReader:
        """What it follows."""
        return self._runtime.store

    async def start(self) -> None:
        """Begin to follow, from what is stored now on."""
        with suppress(SbhooksError):
            self.position = await asyncio.to_thread(self._runtime.store.high_water)
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def nudge(self) -> None:
        """Look at once: something has been stored."""
        self._nudged.set()

    async def advance(self) -> bool:
        """Read what has been stored, and tell it; returns whether there was anything."""
        begin = self.position
        async with self._reading:
            while True:
                piece = await asyncio.to_thread(
                    next_piece, self._runtime.store, self.position, self._limit
                )
                self._limit = piece.limit
                self._tell_events(piece)
                if piece.text is None:
                    return self.position > begin

    async def current_skills(self) -> dict[str, Skill]:
        """The figures of every skill, no older than the last thing that was told."""
        if self._summed_at != self.position:
            position = self.position
            self.skills = await asyncio.to_thread(self._sum_up)
            self._summed_at = position
        return self.skills

    async def update_of(self, skill_name: str | None) -> str:
        """What a client that has just subscribed is told."""
        await self.current_skills()
        return self._update(skill_name)

    def _tell_events(self, piece: Piece) -> None:
        """Move on; nothing else happens between moving on and telling."""
        self.position = piece.position
        if piece.text is not None:
            for client in self.clients:
                if client.live:
                    client.put(piece.text)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                # Without listeners nobody needs the events: only the position moves on.
                changed = await self._look()
                if self.clients and (changed or loop.time() >= due):
                    await self._tell_update(loop.time())
                    due = loop.time() + self._update_every_s
            except SbhooksError as error:
                _log.warning("cannot follow the store: %s", error)
                await asyncio.sleep(_UPDATE_EVERY_S)
            except Exception:  # noqa: BLE001 - one bad event must not end the telling
                _log.exception("following the store failed")
                await asyncio.sleep(_UPDATE_EVERY_S)
            # Not wait_for: in Python 3.11 it swallows a cancellation that meets a nudge.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._nudged.wait()
            self._nudged.clear()
            await asyncio.sleep(_LOOK_AT_MOST_EVERY_S)

    async def _look(self) -> bool:
        newest = await asyncio.to_thread(self._runtime.store.high_water)
        if newest == self.position:
            return False
        if any(client.live for client in self.clients):
            return await self.advance()
        async with self._reading:
            self.position = max(newest, self.position)
        return True

    async def _tell_update(self, now: float) -> None:
        await self.current_skills()
        await self._look_for_anomalies(now)
        everything = [client for client in self.clients if client.everything]
        if everything:
            text = self._update(None)
            for client in everything:
                client.put(text)
        texts: dict[str, str] = {}
        for client in self.clients:
            for name in client.skills:
                if name not in texts:
                    texts[name] = self._update(name)
                client.put(texts[name])

    def _update(self, skill_name: str | None) -> str:
        anomalies = [a for a in self._anomalies if skill_name is None or a.subject == skill_name]
        if skill_name is None:
            chosen = list(self.skills.values())[: frames.TOP]
        else:
            chosen = [self.skills[skill_name]] if skill_name in self.skills else []
        return frames.update(chosen, anomalies, position=self.position, skill_name=skill_name)

    async def _look_for_anomalies(self, now: float) -> None:
        """Ask plugins now and then, and tell each new finding once."""
        if now < self._anomalies_due:
            return
        self._anomalies_due = now + _ANOMALIES_EVERY_S
        query = InsightQuery(kinds=("anomaly",), now=utc_now(), limit=_MOST_ANOMALIES)
        self._anomalies = await asyncio.to_thread(self._asked, query)
        told = self._known_anomalies
        keys = {(_kind(a), a.subject, a.summary): a for a in self._anomalies}
        new = [] if told is None else [a for key, a in keys.items() if key not in told]
        self._known_anomalies = {} if told is None or len(told) > _MOST_KNOWN else told
        self._known_anomalies.update(dict.fromkeys(keys))
        for anomaly in new:
            text = frames.frame("anomaly", timestamp=utc_now(), data=anomaly)
            for client in self.clients:
                if client.everything or anomaly.subject in client.skills:
                    client.put(text)

    def _sum_up(self) -> dict[str, Skill]:
        found = answers.skills(self._runtime.store, EventQuery(), limit=_MOST_KNOWN)
        return {skill.skill_name: skill for skill in found.skills}

    def _asked(self, query: InsightQuery) -> list[Insight]:
        found = self._runtime.insights(query)
        return [one for one in found if _kind(one) == "anomaly"][:_MOST_ANOMALIES]


def _kind(insight: Any) -> str:
    return str(insight.__struct_config__.tag)
