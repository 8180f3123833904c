"""Short questions to a store, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from sbhooks.events import Event
from sbhooks.store import EventQuery, EventReader, Rollup

EVERYTHING = EventQuery()


def stored(store: EventReader, query: EventQuery = EVERYTHING) -> list[Event]:
    """What a query finds."""
    return list(store.events(query))


def only(rollups: Sequence[Rollup]) -> Rollup:
    """The one row of an answer that has one."""
    (rollup,) = rollups
    return rollup
