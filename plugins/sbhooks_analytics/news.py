"""What was stored since the last time, and whether anything else has changed meanwhile.

A position grows by one for each event that is stored. It also grows when events are erased, pruned
or renamed, and then there is no event to be read for it: what was made of the log before has to be
made anew. So it has in another store, whose first event is another one.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sbhooks.events import Invocation
from sbhooks.store import EventReader

_PAGE = 20_000


class News(NamedTuple):
    """Events behind a position.

    Attributes:
        position: Behind the last of them.
        sessions: Those that they belong to.
        earliest: Of the invocations among them; ``None`` without any.
        unbroken: Whether what was stored before is still the same.
    """

    position: int
    sessions: frozenset[str]
    earliest: datetime | None
    unbroken: bool


def news(store: EventReader, after: int) -> News:
    """Read on behind a position; also events of kinds that nobody declares count as a change."""
    sessions: set[str] = set()
    earliest: datetime | None = None
    position, read = after, 0
    while True:
        page = store.tail(position, limit=_PAGE)
        position = page.position
        if not page.events:
            break
        read += len(page.events)
        sessions.update(event.session for event in page.events)
        times = [event.at for event in page.events if isinstance(event, Invocation)]
        earliest = min([*times, earliest] if earliest else times, default=None)
    return News(position, frozenset(sessions), earliest, position - after == read)


def origin(store: EventReader) -> str:
    """The id of the first event that a store holds; empty without any."""
    first = store.tail(0, limit=1).events
    return first[0].id if first else ""
