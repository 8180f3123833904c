"""Finished sessions with what happened in them: what is exported to other systems."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sbhooks.events import (
    Event,
    Invocation,
    PhaseChange,
    PipelineStage,
    SessionEnd,
    SessionStart,
    TestResult,
)
from sbhooks.store import EventQuery, EventReader


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A session that has ended.

    Attributes:
        start: How it began.
        end: How it ended.
        root: The outermost session around it, itself when there is none.
        events: What happened in between, by time.
    """

    start: SessionStart
    end: SessionEnd
    root: SessionStart
    events: list[Event]

    def of(self, *kinds: type[Event]) -> list[Event]:
        """The events of some kinds."""
        return [event for event in self.events if isinstance(event, kinds)]


def finished(store: EventReader, query: EventQuery) -> Iterator[Finished]:
    """Yield the sessions that a query means and that have ended, oldest first.

    Args:
        store: The events.
        query: Restricts the starts of the sessions.
    """
    chosen = msgspec.structs.replace(query, kinds=("session-start",), newest_first=False)
    seen: set[str] = set()
    for start in store.events(chosen):
        if isinstance(start, SessionStart) and start.session not in seen:
            seen.add(start.session)
            whole = _session(store, start)
            if whole is not None:
                yield whole


def _session(store: EventReader, start: SessionStart) -> Finished | None:
    events = list(store.events(EventQuery(sessions=(start.session,))))
    end = next((event for event in events if isinstance(event, SessionEnd)), None)
    if end is None:
        return None
    inner = (Invocation, PhaseChange, PipelineStage, TestResult)
    return Finished(
        start=start,
        end=end,
        root=_root(store, start),
        events=[event for event in events if isinstance(event, inner)],
    )


def _root(store: EventReader, start: SessionStart) -> SessionStart:
    known = {start.session}
    while start.parent and start.parent not in known:
        known.add(start.parent)
        query = EventQuery(kinds=("session-start",), sessions=(start.parent,), limit=1)
        found = next((e for e in store.events(query) if isinstance(e, SessionStart)), None)
        if found is None:
            break
        start = found
    return start
